/// One server-sent event as bytes on the wire.
public struct ServerSentEvent: Sendable, Hashable {
    public var id: String?
    public var data: String

    public init(id: String? = nil, data: String) {
        self.id = id
        self.data = data
    }

    public var bytes: [UInt8] {
        var out: [UInt8] = []
        if let id { out.append(contentsOf: "id: \(id)\n".utf8) }
        for line in data.split(separator: "\n", omittingEmptySubsequences: false) { out.append(contentsOf: "data: \(line)\n".utf8) }
        out.append(UInt8(ascii: "\n"))
        return out
    }

    /// A comment keeps intermediaries from closing a quiet stream.
    public static let keepAlive: [UInt8] = Array(": ping\n\n".utf8)
}

/// Splits a byte stream into server-sent events, wherever the chunks are cut. Comments are dropped.
public struct ServerSentEventParser: Sendable {
    private var line: [UInt8] = []
    private var lastWasCarriageReturn = false
    private var id: String?
    private var data: [String] = []

    public init() {}

    public mutating func feed(_ bytes: [UInt8]) -> [ServerSentEvent] {
        var events: [ServerSentEvent] = []
        for byte in bytes {
            defer { lastWasCarriageReturn = byte == 0x0D }
            if byte == 0x0A, lastWasCarriageReturn { continue }
            if byte == 0x0A || byte == 0x0D {
                if let event = endLine() { events.append(event) }
            } else {
                line.append(byte)
            }
        }
        return events
    }

    private mutating func endLine() -> ServerSentEvent? {
        defer { line.removeAll(keepingCapacity: true) }
        guard !line.isEmpty else {
            defer { data = [] }
            return data.isEmpty ? nil : ServerSentEvent(id: id, data: data.joined(separator: "\n"))
        }
        let text = String(decoding: line, as: UTF8.self)
        let halves = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        var value = halves.count > 1 ? halves[1] : ""
        if value.hasPrefix(" ") { value = value.dropFirst() }
        switch halves[0] {
        case "data": data.append(String(value))
        case "id": id = String(value)
        default: break
        }
        return nil
    }
}
