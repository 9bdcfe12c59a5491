/// Why a text is not JSON, and where.
public struct JSONSyntaxError: Error, Sendable, Equatable {
    /// Bytes from the start of the text.
    public let offset: Int
    public let reason: String
}

extension JSONValue {
    /// Reads one JSON value. With `allowTrailing`, bytes after the first value are ignored; arrays and objects nested deeper than
    /// `maximumDepth` are refused.
    public init(parsing bytes: [UInt8], allowTrailing: Bool = false, maximumDepth: Int = 128) throws(JSONSyntaxError) {
        var parser = JSONParser(bytes: bytes, maximumDepth: maximumDepth)
        self = try parser.document(allowTrailing: allowTrailing)
    }

    public init(parsing text: String) throws(JSONSyntaxError) {
        try self.init(parsing: Array(text.utf8))
    }
}

/// A recursive reader over bytes. `JSONParserTests` holds the cases it must refuse.
public struct JSONParser {
    let bytes: [UInt8]
    let maximumDepth: Int
    private(set) var position = 0
    private var depth = 0

    public init(bytes: [UInt8], maximumDepth: Int = 128) {
        self.bytes = bytes
        self.maximumDepth = maximumDepth
    }

    mutating func document(allowTrailing: Bool) throws(JSONSyntaxError) -> JSONValue {
        skipSpace()
        let value = try value()
        skipSpace()
        guard allowTrailing || position == bytes.count else { throw problem("unexpected text after the value") }
        return value
    }

    /// The byte ranges of the members of the top-level object: key, and the value exactly as written.
    /// The whole text is checked on the way, so a splice into these ranges stays valid JSON.
    public static func memberRanges(of bytes: [UInt8]) throws(JSONSyntaxError) -> [(key: String, value: Range<Int>)] {
        var parser = JSONParser(bytes: bytes)
        parser.skipSpace()
        var ranges: [(key: String, value: Range<Int>)] = []
        try parser.members { (reader: inout JSONParser, key: String) throws(JSONSyntaxError) in
            let start = reader.position
            _ = try reader.value()
            ranges.append((key, start..<reader.position))
        }
        parser.skipSpace()
        guard parser.position == bytes.count else { throw parser.problem("unexpected text after the value") }
        return ranges
    }

    private func problem(_ reason: String) -> JSONSyntaxError { JSONSyntaxError(offset: position, reason: reason) }

    private mutating func skipSpace() {
        while position < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[position]) { position += 1 }
    }

    private mutating func value() throws(JSONSyntaxError) -> JSONValue {
        guard position < bytes.count else { throw problem("the text ends where a value should be") }
        switch bytes[position] {
        case UInt8(ascii: "{"): return try object()
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    private mutating func word(_ text: StaticString, _ value: JSONValue) throws(JSONSyntaxError) -> JSONValue {
        let matches = text.withUTF8Buffer { expected in
            bytes.count - position >= expected.count && bytes[position..<(position + expected.count)].elementsEqual(expected)
        }
        guard matches else { throw problem("unknown word") }
        position += text.utf8CodeUnitCount
        return value
    }

    private mutating func nested(_ body: (inout JSONParser) throws(JSONSyntaxError) -> Void) throws(JSONSyntaxError) {
        depth += 1
        guard depth <= maximumDepth else { throw problem("nested deeper than \(maximumDepth) levels") }
        position += 1
        skipSpace()
        try body(&self)
        depth -= 1
    }

    private mutating func object() throws(JSONSyntaxError) -> JSONValue {
        var object = JSONObject()
        try members { (reader: inout JSONParser, key: String) throws(JSONSyntaxError) in object.append(key, try reader.value()) }
        return .object(object)
    }

    private mutating func members(_ visit: (inout JSONParser, String) throws(JSONSyntaxError) -> Void) throws(JSONSyntaxError) {
        guard position < bytes.count, bytes[position] == UInt8(ascii: "{") else { throw problem("an object is expected") }
        try nested { (reader: inout JSONParser) throws(JSONSyntaxError) in
            if reader.take(UInt8(ascii: "}")) { return }
            while true {
                guard reader.position < reader.bytes.count, reader.bytes[reader.position] == UInt8(ascii: "\"") else {
                    throw reader.problem("a key in quotes is expected")
                }
                let key = try reader.string()
                reader.skipSpace()
                guard reader.take(UInt8(ascii: ":")) else { throw reader.problem("':' is expected after a key") }
                reader.skipSpace()
                try visit(&reader, key)
                reader.skipSpace()
                if reader.take(UInt8(ascii: "}")) { return }
                guard reader.take(UInt8(ascii: ",")) else { throw reader.problem("',' or '}' is expected") }
                reader.skipSpace()
            }
        }
    }

    private mutating func array() throws(JSONSyntaxError) -> JSONValue {
        var elements: [JSONValue] = []
        try nested { (reader: inout JSONParser) throws(JSONSyntaxError) in
            if reader.take(UInt8(ascii: "]")) { return }
            while true {
                elements.append(try reader.value())
                reader.skipSpace()
                if reader.take(UInt8(ascii: "]")) { return }
                guard reader.take(UInt8(ascii: ",")) else { throw reader.problem("',' or ']' is expected") }
                reader.skipSpace()
            }
        }
        return .array(elements)
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    private mutating func digits() throws(JSONSyntaxError) {
        let start = position
        while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]) { position += 1 }
        guard position > start else { throw problem("a digit is expected") }
    }

    private mutating func number() throws(JSONSyntaxError) -> JSONValue {
        let start = position
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try digits() }
        if take(UInt8(ascii: ".")) { try digits() }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
        return .number(JSONNumber(validated: String(decoding: bytes[start..<position], as: UTF8.self)))
    }

    private mutating func string() throws(JSONSyntaxError) -> String {
        position += 1
        let start = position
        while position < bytes.count, bytes[position] != UInt8(ascii: "\""), bytes[position] != UInt8(ascii: "\\"), bytes[position] >= 0x20
        {
            position += 1
        }
        guard position < bytes.count else { throw problem("a string is not closed") }
        if bytes[position] == UInt8(ascii: "\"") {
            defer { position += 1 }
            return try text(bytes[start..<position])
        }
        return try escapedString(from: start)
    }

    private mutating func escapedString(from start: Int) throws(JSONSyntaxError) -> String {
        var collected = Array(bytes[start..<position])
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return try text(collected[...])
            case UInt8(ascii: "\\"): collected.append(contentsOf: try escape())
            case 0..<0x20: throw problem("a control character stands in a string")
            default: collected.append(byte)
            }
        }
        throw problem("a string is not closed")
    }

    private func text(_ slice: ArraySlice<UInt8>) throws(JSONSyntaxError) -> String {
        guard let text = String(validating: slice, as: UTF8.self) else { throw problem("a string is not UTF-8") }
        return text
    }

    private mutating func escape() throws(JSONSyntaxError) -> [UInt8] {
        guard position < bytes.count else { throw problem("a string is not closed") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"): return Array(String(try unicodeEscape()).utf8)
        default: throw problem("unknown escape")
        }
    }

    /// A lone surrogate becomes U+FFFD, as browsers and most servers read it.
    private mutating func unicodeEscape() throws(JSONSyntaxError) -> Character {
        let first = try hex4()
        if (0xD800..<0xDC00).contains(first), position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
            bytes[position + 1] == UInt8(ascii: "u")
        {
            let mark = position
            position += 2
            let second = try hex4()
            if (0xDC00..<0xE000).contains(second), let scalar = Unicode.Scalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)) {
                return Character(scalar)
            }
            position = mark
        }
        return Character(Unicode.Scalar(first) ?? "\u{FFFD}")
    }

    private mutating func hex4() throws(JSONSyntaxError) -> UInt32 {
        guard position + 4 <= bytes.count, let text = String(validating: bytes[position..<(position + 4)], as: UTF8.self),
            text.allSatisfy(\.isHexDigit), let value = UInt32(text, radix: 16)
        else { throw problem("four hexadecimal digits are expected") }
        position += 4
        return value
    }
}
