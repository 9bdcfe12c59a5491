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
