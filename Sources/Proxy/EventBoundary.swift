/// Knows from the last bytes of an event stream whether an event is complete there, wherever the chunks are cut.
struct EventBoundary: Sendable, Hashable {
    /// Nothing came yet, or the last line was empty.
    private(set) var isBetweenEvents = true
    private var lineIsEmpty = true
    private var lastWasCarriageReturn = false

    mutating func feed(_ bytes: [UInt8]) {
        for byte in bytes {
            defer { lastWasCarriageReturn = byte == 0x0D }
            if byte == 0x0A, lastWasCarriageReturn { continue }
            let endsLine = byte == 0x0A || byte == 0x0D
            isBetweenEvents = endsLine && lineIsEmpty
            lineIsEmpty = endsLine
        }
    }
}
