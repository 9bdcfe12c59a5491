import Glibc
import HTTP

/// The request line's target as it came, taken before libmicrohttpd splits it.
struct RequestTarget: Sendable {
    /// Where the raw target began in the connection's buffer, to compare with where the version stands.
    let start: UInt
    let bytes: [UInt8]

    init(_ text: UnsafePointer<CChar>?) {
        start = text.map { UInt(bitPattern: $0) } ?? 0
        bytes = text.map { Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))) } ?? []
    }

    /// The decoded path and the query; nil when the target is no plain path or holds something that could be read in two ways:
    /// a broken escape, an escaped NUL, an escaped slash, a space or control character.
    func split() -> (path: String, query: Query)? {
        guard bytes.allSatisfy({ $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "#") }), let origin = originForm() else { return nil }
        // Bytes, not characters: a combining character after a separator does not hide it.
        let end = origin.firstIndex(of: UInt8(ascii: "?")) ?? origin.endIndex
        let (rawPath, rawQuery) = (origin[..<end], origin[end...].dropFirst())
        guard !holds(rawPath, escaped: [UInt8(ascii: "/"), 0]), !holds(rawQuery, escaped: [0]) else { return nil }
        guard let text = String(validating: rawPath, as: UTF8.self), let path = PercentCoding.decoded(text),
            let query = String(validating: rawQuery, as: UTF8.self)
        else { return nil }
        return (path, Query(parsing: query))
    }

    private func holds(_ text: ArraySlice<UInt8>, escaped forbidden: [UInt8]) -> Bool {
        text.indices.contains { index in
            guard text[index] == UInt8(ascii: "%"), index + 2 < text.endIndex else { return false }
            let digits = String(decoding: text[(index + 1)...(index + 2)], as: UTF8.self)
            return UInt8(digits, radix: 16).map(forbidden.contains) ?? false
        }
    }

    /// `http://host/path` means `/path`.
    private func originForm() -> ArraySlice<UInt8>? {
        let slash = UInt8(ascii: "/")
        if bytes.first == slash { return bytes[...] }
        for scheme in ["http://", "https://"] where bytes.starts(with: scheme.utf8) {
            let authority = bytes.dropFirst(scheme.utf8.count)
            return authority.firstIndex(of: slash).map { authority[$0...] } ?? [slash]
        }
        return nil
    }
}
