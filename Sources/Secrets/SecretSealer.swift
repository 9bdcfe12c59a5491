internal import CSodium
public import Model

/// Seals secrets at rest. Format v2: the version byte 2, a 24-byte nonce, then XChaCha20-Poly1305 with the workspace id, NUL and the key
/// name as associated data, so that a sealed value opens only in the place it was sealed for. No other version is written or read.
public struct SecretSealer: SecretSealing {
    private static let version: UInt8 = 2
    private static let nonceLength = Int(crypto_aead_xchacha20poly1305_ietf_npubbytes())
    private static let tagLength = Int(crypto_aead_xchacha20poly1305_ietf_abytes())

    private let key: KeyMemory
    private let random: any RandomSource

    /// `key` is 32 bytes, as `SecretsKey.parse` gives them.
    public init(key: [UInt8], random: any RandomSource = SodiumRandom()) {
        precondition(key.count == SecretsKey.byteCount, "a sealing key has 32 bytes")
        Sodium.ready()
        self.key = KeyMemory(key)
        self.random = random
    }

    public func seal(_ plaintext: String, workspace: WorkspaceID, name: String) throws -> [UInt8] {
        let message = Array(plaintext.utf8)
        let nonce = random.bytes(Self.nonceLength)
        let place = Self.place(workspace, name)
        var sealed = [UInt8](repeating: 0, count: message.count + Self.tagLength)
        var written: UInt64 = 0
        let status = crypto_aead_xchacha20poly1305_ietf_encrypt(
            &sealed, &written, message, UInt64(message.count), place, UInt64(place.count), nil, nonce, key.bytes)
        guard status == 0 else { throw Failure(.internalError, "a secret could not be sealed") }
        return [Self.version] + nonce + sealed.prefix(Int(written))
    }

    public func open(_ sealed: [UInt8], workspace: WorkspaceID, name: String) throws -> String {
        guard sealed.first == Self.version, sealed.count >= 1 + Self.nonceLength + Self.tagLength else { throw Self.unreadable(name) }
        let nonce = Array(sealed[1..<(1 + Self.nonceLength)])
        let box = Array(sealed[(1 + Self.nonceLength)...])
        let place = Self.place(workspace, name)
        var message = [UInt8](repeating: 0, count: box.count)
        var written: UInt64 = 0
        let status = crypto_aead_xchacha20poly1305_ietf_decrypt(
            &message, &written, nil, box, UInt64(box.count), place, UInt64(place.count), nonce, key.bytes)
        guard status == 0, let text = String(validating: message.prefix(Int(written)), as: UTF8.self) else { throw Self.unreadable(name) }
        return text
    }

    private static func place(_ workspace: WorkspaceID, _ name: String) -> [UInt8] { Array(workspace.text.utf8) + [0] + Array(name.utf8) }

    private static func unreadable(_ name: String) -> Failure {
        Failure(
            .secretsUnreadable, "the secret \(name) cannot be opened with this installation's key",
            next: "Start berthd with the key the secret was sealed with (SECRETS_ENCRYPTION_KEY or secrets.key), or give the secret again.")
    }
}

/// The sealing key in memory of its own, wiped when its last user is gone.
private final class KeyMemory: @unchecked Sendable {
    let bytes: UnsafePointer<UInt8>
    private let memory: UnsafeMutableBufferPointer<UInt8>

    init(_ key: [UInt8]) {
        memory = .allocate(capacity: key.count)
        _ = memory.initialize(from: key)
        bytes = UnsafePointer(memory.baseAddress.unsafelyUnwrapped)
    }

    deinit {
        sodium_memzero(memory.baseAddress.unsafelyUnwrapped, memory.count)
        memory.deallocate()
    }
}
