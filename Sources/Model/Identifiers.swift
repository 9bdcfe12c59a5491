/// A workspace's UUID in lower-case hyphenated form.
public struct WorkspaceID: Sendable, Hashable, CustomStringConvertible {
    public let text: String

    /// Accepts the 8-4-4-4-12 form in either case; anything else is nil, before any query sees it.
    public init?(_ text: String) {
        guard let canonical = UUIDText.canonical(text) else { return nil }
        self.text = canonical
    }

    public init(random: some RandomSource) { text = UUIDText.random(random) }

    public var description: String { text }

    /// The first 12 characters, as container and volume names carry them.
    public var prefix12: String { String(text.prefix(12)) }

    /// What its container is called.
    public var containerName: String { "ws-\(prefix12)" }
}

/// UUIDs as text: version 4 made from a port, and the one accepted spelling.
public enum UUIDText {
    /// `text` in lower case, when it has the 8-4-4-4-12 form. Judged by bytes: every row and every request comes through here.
    public static func canonical(_ text: String) -> String? {
        guard text.utf8.count == 36, text.utf8.enumerated().allSatisfy({ fits($1, at: $0) }) else { return nil }
        return text.lowercased()
    }

    private static func fits(_ byte: UInt8, at index: Int) -> Bool {
        switch index {
        case 8, 13, 18, 23: byte == UInt8(ascii: "-")
        default: (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte | 0x20)
        }
    }

    public static func random(_ source: some RandomSource) -> String {
        var bytes = source.bytes(16)
        bytes[6] = bytes[6] & 0x0F | 0x40
        bytes[8] = bytes[8] & 0x3F | 0x80
        let hex = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        var text = ""
        for (index, character) in hex.enumerated() {
            if [8, 12, 16, 20].contains(index) { text.append("-") }
            text.append(character)
        }
        return text
    }
}

/// Names this installation on everything it makes, so that two installations on one engine never touch each other's things.
public struct InstanceID: Sendable, Hashable, CustomStringConvertible {
    public let text: String

    public init?(_ text: String) {
        let allowed = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_" || $0 == ".") }
        guard (4...64).contains(text.utf8.count), allowed else { return nil }
        self.text = text
    }

    public init(random: some RandomSource) { text = UUIDText.random(random) }

    public var description: String { text }
    public var prefix8: String { String(text.prefix(8)) }
}
