internal import Model

/// Who pulls from one registry. Sent to the engine only for images of that registry.
public struct RegistryCredentials: Sendable, Hashable {
    /// Host (and port) of the registry, as image references spell it.
    public let registry: String
    let user: String
    let token: String

    /// nil when user or token is missing or blank: the engine then pulls anonymously.
    public init?(registry: String = "ghcr.io", user: String?, token: String?) {
        guard let user = user.map(Self.trimmed), let token = token.map(Self.trimmed), !user.isEmpty, !token.isEmpty else { return nil }
        self.registry = registry
        self.user = user
        self.token = token
    }

    /// The value of `X-Registry-Auth`. The padding matters: without it the engine silently pulls anonymously.
    var header: String {
        let identity: JSONValue = ["username": .string(user), "password": .string(token), "serveraddress": .string(registry)]
        return Base64URL.encoded(identity.bytes)
    }

    private static func trimmed(_ text: String) -> String {
        String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}

/// RFC 4648 section 5, with padding.
enum Base64URL {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    static func encoded(_ bytes: [UInt8]) -> String {
        var out: [UInt8] = []
        out.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for position in 0..<4 {
                out.append(position <= group.count ? alphabet[bits >> (18 - 6 * position) & 63] : UInt8(ascii: "="))
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}
