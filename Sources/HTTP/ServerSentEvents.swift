/// One server-sent event as bytes on the wire.
public struct ServerSentEvent: Sendable, Hashable {
    public var id: String?
    public var data: String

    public init(id: String? = nil, data: String) {
        self.id = id
        self.data = data
    }

    /// Every kind of line end in `data` becomes a line of the event. An id that cannot stand in a line (line end, NUL) is left out.
    public var bytes: [UInt8] {
        var out: [UInt8] = []
        if let id, !id.utf8.contains(where: { $0 == 0x0A || $0 == 0x0D || $0 == 0 }) { out.append(contentsOf: "id: \(id)\n".utf8) }
        var lastWasCarriageReturn = false
        out.append(contentsOf: Self.dataField)
        for byte in data.utf8 {
            defer { lastWasCarriageReturn = byte == 0x0D }
            if byte == 0x0A, lastWasCarriageReturn { continue }
            if byte == 0x0A || byte == 0x0D {
                out.append(0x0A)
                out.append(contentsOf: Self.dataField)
            } else {
                out.append(byte)
            }
        }
        out.append(contentsOf: [0x0A, 0x0A])
        return out
    }

    private static let dataField = Array("data: ".utf8)

    /// A comment keeps intermediaries from closing a quiet stream.
    public static let keepAlive: [UInt8] = Array(": ping\n\n".utf8)
}

/// Splits a byte stream into server-sent events, wherever the chunks are cut. Comments are dropped; an id holds until another comes.
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
        // Bytes, not characters: a combining character after the colon does not hide it.
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
        var value = line[colon...].dropFirst()
        if value.first == 0x20 { value = value.dropFirst() }
        let text = String(decoding: value, as: UTF8.self)
        switch String(decoding: line[..<colon], as: UTF8.self) {
        case "data": data.append(text)
        case "id" where !value.contains(0): id = text
        default: break
        }
        return nil
    }
}
