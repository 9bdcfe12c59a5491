internal import Model

extension RegistryLogin {
    /// The value of `X-Registry-Auth`. The padding matters: without it the engine silently pulls anonymously.
    func header(for registry: String) -> String {
        let identity: JSONValue =
            if let identityToken {
                ["identitytoken": .string(identityToken), "serveraddress": .string(registry)]
            } else {
                ["username": .string(user), "password": .string(password), "serveraddress": .string(registry)]
            }
        return Base64.encoded(identity.bytes, .url)
    }
}
