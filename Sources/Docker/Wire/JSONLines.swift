internal import Model

/// Cuts a stream of JSON lines into values, wherever the chunks were split. Lines end with LF or CRLF; blank lines are skipped.
struct JSONLines {
    /// One line may not be longer than this.
    static let longestLine = 4 << 20

    private var pending: [UInt8] = []

    /// The values completed by `chunk`. Throws `EngineError.unreadable` for a line that is not JSON or does not end.
    mutating func append(_ chunk: [UInt8]) throws(EngineError) -> [JSONValue] {
        var values: [JSONValue] = []
        var rest = chunk[...]
        while let newline = rest.firstIndex(of: UInt8(ascii: "\n")) {
            pending.append(contentsOf: rest[..<newline])
            rest = rest[(newline + 1)...]
            if let value = try take() { values.append(value) }
        }
        pending.append(contentsOf: rest)
        guard pending.count <= Self.longestLine else { throw .unreadable("a line does not end", body: Array(pending.prefix(2048))) }
        return values
    }

    /// The last line, when the stream ended without a newline.
    mutating func finish() throws(EngineError) -> JSONValue? { try take() }

    private mutating func take() throws(EngineError) -> JSONValue? {
        let line = pending
        pending = []
        guard line.contains(where: { ![0x20, 0x09, 0x0D].contains($0) }) else { return nil }
        do {
            return try JSONValue(parsing: line)
        } catch {
            throw .unreadable("a line is not JSON", body: line)
        }
    }
}
