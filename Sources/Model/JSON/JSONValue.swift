/// Any JSON value. Numbers keep the text they were written with, so that a value that is only passed on is never rounded,
/// and objects keep the order of their members.
public enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case number(JSONNumber)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)
}

/// The text of a JSON number, as read or as written.
public struct JSONNumber: Sendable, Hashable {
    public let text: String

    init(validated text: String) { self.text = text }

    public init(_ value: some BinaryInteger) { text = String(value) }

    /// The shortest text that reads back as `value`; whole numbers carry no `.0`. A value JSON cannot write becomes 0.
    public init(_ value: Double) {
        guard value.isFinite else {
            text = "0"
            return
        }
        let written = value.description
        text = written.hasSuffix(".0") ? String(written.dropLast(2)) : written
    }

    public var double: Double { Double(text) ?? 0 }

    /// The value when the text is a whole number within `Int`; nil for fractions, exponents and overflow.
    public var int: Int? { Int(text) }
}

/// The members of a JSON object in order. Reading a key that was written twice gives the last one.
public struct JSONObject: Sendable, Hashable, ExpressibleByDictionaryLiteral {
    public private(set) var members: [Member]

    public struct Member: Sendable, Hashable {
        public let key: String
        public var value: JSONValue
    }

    public init() { members = [] }

    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        members = elements.map { Member(key: $0.0, value: $0.1) }
    }

    public var isEmpty: Bool { members.isEmpty }
    public var keys: [String] { members.map(\.key) }

    public subscript(key: String) -> JSONValue? {
        get { members.last { $0.key == key }?.value }
        set {
            guard let newValue else {
                members.removeAll { $0.key == key }
                return
            }
            if let index = members.lastIndex(where: { $0.key == key }) {
                members[index].value = newValue
            } else {
                members.append(Member(key: key, value: newValue))
            }
        }
    }

    mutating func append(_ key: String, _ value: JSONValue) {
        members.append(Member(key: key, value: value))
    }

    /// The value under `key`, or under a key that differs only in the case of its ASCII letters: the public clients' decoder
    /// matched that way.
    public func value(ignoringCase key: String) -> JSONValue? {
        if let exact = self[key] { return exact }
        let wanted = key.lowercased()
        return members.last { $0.key.lowercased() == wanted }?.value
    }
}

extension JSONValue {
    public var string: String? { if case .string(let value) = self { value } else { nil } }
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    public var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
    public var object: JSONObject? { if case .object(let value) = self { value } else { nil } }
    public var number: JSONNumber? { if case .number(let value) = self { value } else { nil } }
    public var int: Int? { number?.int }
    public var double: Double? { number?.double }
    public var isNull: Bool { self == .null }

    /// The member `key` of an object; nil for anything else.
    public subscript(key: String) -> JSONValue? { object?[key] }

    /// The element at `index` of an array; nil when there is none.
    public subscript(index: Int) -> JSONValue? {
        guard let array, array.indices.contains(index) else { return nil }
        return array[index]
    }

    public static func int(_ value: some BinaryInteger) -> JSONValue { .number(JSONNumber(value)) }
    public static func double(_ value: Double) -> JSONValue { .number(JSONNumber(value)) }

    /// A string, or an explicit null: the public clients read absent and null differently.
    public static func optional(_ value: String?) -> JSONValue { value.map(JSONValue.string) ?? .null }
    public static func optional(_ value: Int?) -> JSONValue { value.map { .int($0) } ?? .null }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int) { self = .int(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        var object = JSONObject()
        for (key, value) in elements { object[key] = value }
        self = .object(object)
    }
}
