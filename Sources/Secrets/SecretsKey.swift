internal import CSodium
internal import Model

/// The key secrets are sealed with, as operators write it.
public enum SecretsKey {
    /// 32 bytes.
    public static let byteCount = 32

    /// Reads standard base64 of exactly 32 bytes, or exactly 32 raw bytes. A raw key may consist of base64 letters only: 32 such
    /// letters decode to 24 bytes, so the two forms never collide. A line break at the end, as editors leave it, is ignored.
    /// Throws `secrets_key_invalid`, which never repeats the text.
    public static func parse(_ text: String) throws -> [UInt8] {
        var bytes = Array(text.utf8)
        while let last = bytes.last, last == UInt8(ascii: "\n") || last == UInt8(ascii: "\r") { bytes.removeLast() }
        if let decoded = decodeBase64(bytes), decoded.count == byteCount { return decoded }
        guard bytes.count == byteCount else {
            throw Failure(
                .secretsKeyInvalid, "the secrets key is neither 32 bytes nor the base64 form of 32 bytes",
                next: "Make one with: head -c 32 /dev/urandom | base64")
        }
        return bytes
    }

    private static func decodeBase64(_ text: [UInt8]) -> [UInt8]? {
        var decoded = [UInt8](repeating: 0, count: text.count)
        var count = 0
        let status = text.withUnsafeBytes { source in
            sodium_base642bin(
                &decoded, decoded.count, source.bindMemory(to: CChar.self).baseAddress, text.count, nil, &count, nil,
                Int32(sodium_base64_VARIANT_ORIGINAL))
        }
        return status == 0 ? Array(decoded.prefix(count)) : nil
    }
}

extension SecretsKey {
    /// The base64 form of a key, as it is kept in a file.
    public static func text(_ key: [UInt8]) -> String {
        let capacity = sodium_base64_encoded_len(key.count, Int32(sodium_base64_VARIANT_ORIGINAL))
        var encoded = [CChar](repeating: 0, count: capacity)
        sodium_bin2base64(&encoded, encoded.count, key, key.count, Int32(sodium_base64_VARIANT_ORIGINAL))
        return String(decoding: encoded.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
