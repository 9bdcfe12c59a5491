/// Cuts a byte stream into pieces of text: a character that is split between two reads is held back until it is whole, and so are line
/// ends at the end, which no reply needs. Bytes that are not UTF-8 become U+FFFD.
struct UTF8Chunks {
    private var held: [UInt8] = []

    mutating func feed(_ bytes: [UInt8]) -> String {
        held.append(contentsOf: bytes)
        var end = held.count - Self.incompleteTail(of: held)
        while end > 0, held[end - 1] == 0x0A || held[end - 1] == 0x0D { end -= 1 }
        defer { held.removeFirst(end) }
        return String(decoding: held[..<end], as: UTF8.self)
    }

    /// What is left when the stream has ended, without line ends.
    mutating func finish() -> String {
        while let last = held.last, last == 0x0A || last == 0x0D { held.removeLast() }
        defer { held = [] }
        return String(decoding: held, as: UTF8.self)
    }

    /// How many bytes at the end begin a character without finishing it.
    private static func incompleteTail(of bytes: [UInt8]) -> Int {
        for length in 1...4 where length <= bytes.count {
            let byte = bytes[bytes.count - length]
            if byte & 0b1100_0000 == 0b1000_0000 { continue }
            let wanted = byte < 0x80 ? 1 : byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2
            return wanted > length ? length : 0
        }
        return 0
    }
}
