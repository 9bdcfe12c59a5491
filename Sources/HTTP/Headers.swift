/// Header fields in order. Names compare without regard to case.
public struct Headers: Sendable, Hashable, ExpressibleByDictionaryLiteral {
    public struct Field: Sendable, Hashable {
        public let name: String
        public let value: String

        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    public private(set) var fields: [Field]

    public init(_ fields: [Field] = []) { self.fields = fields }
    public init(dictionaryLiteral elements: (String, String)...) { fields = elements.map { Field($0.0, $0.1) } }

    /// The first value of `name`. Setting replaces every value of it; nil removes them.
    public subscript(name: String) -> String? {
        get { fields.first { $0.name.equalsIgnoringCase(name) }?.value }
        set {
            fields.removeAll { $0.name.equalsIgnoringCase(name) }
            if let newValue { fields.append(Field(name, newValue)) }
        }
    }

    public func all(_ name: String) -> [String] { fields.filter { $0.name.equalsIgnoringCase(name) }.map(\.value) }
    public mutating func add(_ name: String, _ value: String) { fields.append(Field(name, value)) }

    /// The token of `Authorization: Bearer <token>`, trimmed. The prefix is case-sensitive, as existing servers read it.
    public var bearer: String? {
        // Over bytes: this runs twice for every request, and `reversed()` of characters cost more than all else in it.
        guard var token = self["Authorization"]?.utf8[...], token.starts(with: "Bearer ".utf8) else { return nil }
        token = token.dropFirst("Bearer ".utf8.count).drop(while: { $0 == Self.space })
        while token.last == Self.space { token.removeLast() }
        return token.isEmpty ? nil : String(Substring(token))
    }

    private static let space = UInt8(ascii: " ")
}

extension String {
    func equalsIgnoringCase(_ other: String) -> Bool {
        utf8.count == other.utf8.count && zip(utf8, other.utf8).allSatisfy { $0 == $1 || $0.lowercasedASCII == $1.lowercasedASCII }
    }
}

extension UInt8 {
    fileprivate var lowercasedASCII: UInt8 { (0x41...0x5A).contains(self) ? self | 0x20 : self }
}
