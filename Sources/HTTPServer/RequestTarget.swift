import HTTP

/// The request line's target as it came, taken before libmicrohttpd splits it.
struct RequestTarget: Sendable {
    /// Where the raw target began in the connection's buffer, to compare with where the version stands.
    let start: UInt
    let bytes: [UInt8]

    init(_ text: UnsafePointer<CChar>?) {
        start = text.map { UInt(bitPattern: $0) } ?? 0
        bytes = text.map { Array(UnsafeBufferPointer(start: $0, count: length(of: $0)).map { UInt8(bitPattern: $0) }) } ?? []
    }

    /// The decoded path and the query; nil when the target is no plain path or holds something that could be read in two ways:
    /// a broken escape, an escaped NUL, an escaped slash, a space or control character.
    func split() -> (path: String, query: Query)? {
        guard bytes.allSatisfy({ $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "#") }), let text = String(validating: bytes, as: UTF8.self)
        else { return nil }
        guard let origin = originForm(text) else { return nil }
        let halves = origin.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let query = halves.count > 1 ? halves[1] : ""
        guard !halves[0].contains("%2F"), !halves[0].contains("%2f"), !query.contains("%00") else { return nil }
        guard let path = PercentCoding.decoded(String(halves[0])), !path.utf8.contains(0) else { return nil }
        return (path, Query(parsing: query))
    }

    /// `http://host/path` means `/path`.
    private func originForm(_ text: String) -> Substring? {
        if text.utf8.first == UInt8(ascii: "/") { return text[...] }
        guard text.hasPrefix("http://") || text.hasPrefix("https://"), let scheme = text.firstIndex(of: ":") else { return nil }
        let authority = text[text.index(scheme, offsetBy: 3)...]
        return authority.firstIndex(of: "/").map { authority[$0...] } ?? "/"
    }
}

private func length(of text: UnsafePointer<CChar>) -> Int {
    var count = 0
    while text[count] != 0 { count += 1 }
    return count
}
