/// One value of a YAML document with the place it was written at. Lines and columns count from 1.
public struct YAMLNode: Sendable {
    public enum Content: Sendable {
        /// `plain` tells `8` (a number) from `"8"` (text).
        case scalar(String, plain: Bool)
        case sequence([YAMLNode])
        case mapping([Entry])
    }

    /// Keys of one mapping are different; keys merged in by `<<` stand after the mapping's own.
    public struct Entry: Sendable {
        public let key: String
        public let keyPosition: YAMLPosition
        public let value: YAMLNode
    }

    public let content: Content
    public let position: YAMLPosition
    /// How many nodes this one stands for once its aliases are expanded, itself included.
    let size: Int

    /// The value under `key`; nil when there is none or this is not a mapping.
    public subscript(key: String) -> YAMLNode? { entries.first { $0.key == key }?.value }

    /// The entries of a mapping, empty for anything else.
    public var entries: [Entry] {
        if case .mapping(let entries) = content { entries } else { [] }
    }

    /// Whether the author left the value out: nothing, `~` or `null`, without quotes.
    public var isNull: Bool {
        guard case .scalar(let text, plain: true) = content else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }

    /// What the value is, for a sentence about it.
    public var kind: String {
        switch content {
        case .scalar(let text, plain: true): "the value \(text)"
        case .scalar(_, plain: false): "text in quotes"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}

public struct YAMLPosition: Sendable, Hashable {
    public let line: Int
    public let column: Int

    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }
}

/// Why a text is not YAML we accept, and where.
public struct YAMLError: Error, Sendable, Hashable {
    public let position: YAMLPosition
    public let reason: String
}

/// What one document may cost to read. The sizes are far above any real template and far below what an alias bomb needs.
public struct YAMLLimits: Sendable, Hashable {
    public var bytes = 1024 * 1024
    /// Values in the document, with every alias counted as often as it is used.
    public var nodes = 10_000
    public var depth = 64

    public init() {}
}
