import HTTP

/// Status and headers of a final response.
struct ResponseHead: Sendable {
    var status: Int
    var headers = Headers()
}

/// Puts a response head together from header lines. Informational responses (1xx) are dropped, trailers ignored.
struct ResponseHeadReader {
    enum Step {
        case more
        case complete(ResponseHead)
        case tooLarge
    }

    /// Status line and headers together, in bytes.
    static let limit = 256 * 1024

    private var status = 0
    private var fields: [Headers.Field] = []
    private var size = 0
    private(set) var isComplete = false

    mutating func read(_ line: UnsafeRawBufferPointer) -> Step {
        if isComplete { return .more }
        size += line.count
        guard size <= Self.limit else { return .tooLarge }
        let text = String(decoding: line, as: UTF8.self).trimmingLineEnd
        if text.isEmpty { return endHead() }
        if text.hasPrefix("HTTP/") {
            status = Int(text.split(separator: " ", maxSplits: 2).dropFirst().first ?? "") ?? 0
            fields = []
        } else if text.first == " " || text.first == "\t" {
            foldIntoLast(text.trimmingSpaces)
        } else if let colon = text.firstIndex(of: ":") {
            fields.append(Headers.Field(String(text[..<colon]).trimmingSpaces, String(text[text.index(after: colon)...]).trimmingSpaces))
        }
        return .more
    }

    private mutating func endHead() -> Step {
        guard status >= 200 else { return .more }
        isComplete = true
        return .complete(ResponseHead(status: status, headers: Headers(fields)))
    }

    private mutating func foldIntoLast(_ text: String) {
        guard let last = fields.popLast() else { return }
        fields.append(Headers.Field(last.name, "\(last.value) \(text)"))
    }
}

extension String {
    fileprivate var trimmingLineEnd: String {
        var bytes = self.utf8[...]
        while bytes.last == 0x0A || bytes.last == 0x0D { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }

    fileprivate var trimmingSpaces: String {
        var bytes = self.utf8[...]
        while let first = bytes.first, first == 0x20 || first == 0x09 { bytes.removeFirst() }
        while let last = bytes.last, last == 0x20 || last == 0x09 { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}
