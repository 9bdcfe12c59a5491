internal import CSodium
public import Model

/// Makes and recognises bearer tokens: 32 random bytes, written as 43 characters of base64url; kept as their SHA-256.
public struct TokenMaker: TokenMaking {
    private let random: any RandomSource

    public init(random: any RandomSource = SodiumRandom()) {
        Sodium.ready()
        self.random = random
    }

    public func issue() -> IssuedToken {
        let plaintext = Self.base64URL(random.bytes(32))
        return IssuedToken(plaintext: plaintext, digest: TokenDigest(hash: hash(plaintext), prefix: String(plaintext.prefix(8))))
    }

    public func hash(_ plaintext: String) -> [UInt8] {
        let input = Array(plaintext.utf8)
        var digest = [UInt8](repeating: 0, count: Int(crypto_hash_sha256_bytes()))
        crypto_hash_sha256(&digest, input, UInt64(input.count))
        return digest
    }

    /// Compares digests rather than the texts: two SHA-256 values always have the same length, so neither the place of the first
    /// difference nor the length of the right token shows in the time taken.
    public func matches(_ left: String, _ right: String) -> Bool {
        let (leftHash, rightHash) = (hash(left), hash(right))
        return sodium_memcmp(leftHash, rightHash, leftHash.count) == 0
    }

    private static func base64URL(_ bytes: [UInt8]) -> String {
        let variant = Int32(sodium_base64_VARIANT_URLSAFE_NO_PADDING)
        var text = [CChar](repeating: 0, count: sodium_base64_encoded_len(bytes.count, variant))
        sodium_bin2base64(&text, text.count, bytes, bytes.count, variant)
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
