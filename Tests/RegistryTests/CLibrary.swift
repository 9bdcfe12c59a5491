import Glibc

/// What the C library makes of a text, as the judge of our own reading.
enum CLibrary {
    /// `inet_aton`, in canonical spelling; nil when it refuses.
    static func address(_ text: String) -> String? {
        var address = in_addr()
        guard inet_aton(text, &address) != 0 else { return nil }
        let value = UInt32(bigEndian: address.s_addr)
        return [24, 16, 8, 0].map { String(value >> $0 & 0xFF) }.joined(separator: ".")
    }
}
