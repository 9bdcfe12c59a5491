import Model
import Testing

@Suite("The JSON parser")
struct JSONParserTests {
    private static let accepted = [
        "null", "true", " false ", "0", "-0", "-1.5e-300", "1E+2", "123456789012345678901234567890", "\"\"", "\"\\u0000\"",
        "\"\u{7f}\"", "\"\u{1F600}\"", "[]", "[ ]", "[1,[2,[3]]]", "{}", "{\"a\":{\"b\":null}}", "{\"\":1,\"\":2}", "\t\r\n[1]\n",
    ]

    @Test("what is written comes out as it was read, white space aside", arguments: accepted)
    func accepts(text: String) throws {
        let value = try JSONValue(parsing: text)
        #expect(try JSONValue(parsing: value.bytes) == value)
    }

    private static let refused = [
        "", " ", "nul", "nulll", "True", "NaN", "Infinity", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "0x10", "1_000", "\u{FEFF}1",
        "\"", "\"a", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\u+123\"", "\"\n\"", "\"\u{01}\"", "'a'", "[", "[1", "[1,", "[1,]",
        "[,1]", "[1 2]",
        "]", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}", "{a:1}", "{1:1}", "{\"a\" 1}", "{\"a\":1 \"b\":2}",
        "1 2",
        "[] x", "{}}", "// c\n1", "[1]/* */", "\u{00A0}1",
    ]

    @Test("what is not JSON is refused", arguments: refused)
    func refuses(text: String) {
        #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: text) }
    }

    @Test(
        "bytes that are not UTF-8 are refused",
        arguments: [
            [0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xE2, 0x82, 0x22], [0xFE, 0xFF],
        ] as [[UInt8]])
    func refusesBrokenText(bytes: [UInt8]) {
        #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: bytes) }
    }

    @Test("an error names the byte it was found at")
    func offset() {
        let error = #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: "{\"a\": nope}") }
        #expect(error?.offset == 6)
    }

    @Test("escapes become the characters they stand for; half a surrogate pair becomes U+FFFD")
    func escapes() throws {
        #expect(try JSONValue(parsing: #""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#).string == "\"\\/\u{08}\u{0C}\n\r\té😀")
        #expect(try JSONValue(parsing: #""\ud83dx\ude00\ud83d\ud83d""#).string == "\u{FFFD}x\u{FFFD}\u{FFFD}\u{FFFD}")
    }

    @Test("nesting is bounded, so that a request cannot exhaust the stack")
    func depth() throws {
        func nested(_ levels: Int) -> String { String(repeating: "[", count: levels) + String(repeating: "]", count: levels) }
        _ = try JSONValue(parsing: nested(128))
        #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: nested(129)) }
        #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: String(repeating: "{\"a\":", count: 100_000)) }
    }

    @Test("text after the first value can be ignored where clients rely on it")
    func trailing() throws {
        #expect(try JSONValue(parsing: Array("{} trailing".utf8), allowTrailing: true) == [:])
    }

    @Test("the last of two equal keys counts, and keys can be found whatever their case")
    func keys() throws {
        let object = try #require(try JSONValue(parsing: #"{"a":1,"A":2,"a":3}"#).object)
        #expect(object["a"] == 3)
        #expect(object.value(ignoringCase: "A") == 2)
        #expect(try JSONValue(parsing: #"{"Workspace_ID":"x"}"#).object?.value(ignoringCase: "workspace_id") == "x")
    }

    @Test("member ranges give each value exactly as it was written")
    func memberRanges() throws {
        let text = " {\"a\" : 1.50 ,\"b\":{\"c\":[1, 2]},\"\\u0061\":\"x\" } "
        let bytes = Array(text.utf8)
        let members = try JSONParser.memberRanges(of: bytes)
        #expect(members.map(\.key) == ["a", "b", "a"])
        #expect(members.map { String(decoding: bytes[$0.value], as: UTF8.self) } == ["1.50", "{\"c\":[1, 2]}", "\"x\""])
    }

    @Test("member ranges are given for a whole valid object only", arguments: ["[]", "\"x\"", "null", "{nope", "", "{} {}", "{\"a\":[}"])
    func noMemberRanges(text: String) {
        #expect(throws: JSONSyntaxError.self) { try JSONParser.memberRanges(of: Array(text.utf8)) }
    }
}
