import Testing

@testable import Templates

private func read(_ text: String, limits: YAMLLimits = YAMLLimits()) throws -> YAMLNode? {
    try YAMLDocument.read(Array(text.utf8), limits: limits)
}

/// The error of a text that must not be read, as `line:column reason`.
private func refusal(_ text: String, limits: YAMLLimits = YAMLLimits()) -> String? {
    do {
        _ = try YAMLDocument.read(Array(text.utf8), limits: limits)
        return nil
    } catch {
        return "\(error.position.line):\(error.position.column) \(error.reason)"
    }
}

@Suite("YAML documents")
struct YAMLDocumentTests {
    @Test("values carry the line and column they were written at")
    func positions() throws {
        let root = try #require(try read("name: x\nruntime_config:\n  models:\n    - id: y\n"))
        let id = try #require(root["runtime_config"]?["models"])
        guard case .sequence(let items) = id.content else { return #expect(Bool(false), "models is a list") }
        #expect(items[0]["id"]?.position == YAMLPosition(line: 4, column: 11))
        #expect(root.entries[1].keyPosition == YAMLPosition(line: 2, column: 1))
    }

    @Test("an empty document, comments and null are nothing", arguments: ["", "# only a comment\n", "---\n", "~", "\u{FEFF}"])
    func empty(text: String) throws { #expect(try read(text) == nil) }

    @Test("a byte order mark is accepted")
    func byteOrderMark() throws { #expect(try read("\u{FEFF}name: x")?["name"]?.text == "x") }

    @Test("only the first document counts")
    func firstDocument() throws { #expect(try read("a: 1\n---\na: 2\n")?["a"]?.int == 1) }

    @Test("aliases and merge keys are resolved; own keys win, then the earlier source")
    func merge() throws {
        let root = try #require(try read("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  <<: [*a, *b]\n  x: 3\nd: *a\n"))
        let merged = try #require(root["c"])
        #expect(["x", "y", "z"].map { merged[$0]?.int } == [3, 1, 2])
        #expect(root["d"]?["y"]?.int == 1)
    }

    @Test("a quoted << is a key like any other")
    func quotedMerge() throws { #expect(try read("\"<<\": 1")?["<<"]?.int == 1) }

    @Test(
        "a broken text is refused at its place",
        arguments: [
            ("a: b: c", "1:5"), ("a:\n\tb: 1", "2:1"), ("a: [1, 2", "2:1"), ("a: 1\n]", "2:1"), ("a: 1\na: 2", "2:1"),
            ("x: *nobody", "1:4"),
            ("a: &a [*a]", "1:8"), ("? [1]\n: 2", "1:3"), ("<<: 3", "1:5"), ("a: \"\\0\"", "1:4"),
        ])
    func broken(text: String, place: String) throws {
        let found = try #require(refusal(text))
        #expect(found.hasPrefix(place + " "), "\(found)")
    }

    @Test("bytes that are not UTF-8 are refused at their place")
    func invalidUTF8() {
        let error = #expect(throws: YAMLError.self) { try YAMLDocument.read(Array("a: 1\nbc: ".utf8) + [0xFF, 0xFE, 0x0A]) }
        #expect(error?.position == YAMLPosition(line: 2, column: 5))
    }

    @Test("an alias bomb ends at the node limit")
    func aliasBomb() throws {
        var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            bomb += "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ") + "]\n"
        }
        let clock = ContinuousClock()
        let start = clock.now
        #expect(try #require(refusal(bomb)).contains("more than 10000 values"))
        #expect(clock.now - start < .seconds(30))
    }

    @Test("merging many times counts towards the limit")
    func mergeBomb() throws {
        var bomb = "base: &m0 {" + (0..<50).map { "k\($0): 1" }.joined(separator: ", ") + "}\n"
        for level in 1...300 { bomb += "m\(level): &m\(level) {<<: *m\(level - 1)}\n" }
        #expect(try #require(refusal(bomb)).contains("more than 10000 values"))
    }

    @Test("nesting ends at the depth limit")
    func depth() throws {
        #expect(refusal(String(repeating: "[", count: 60) + String(repeating: "]", count: 60)) == nil)
        #expect(try #require(refusal(String(repeating: "[", count: 100_000))).contains("nested deeper than 64"))
    }

    @Test("a file above the size limit is refused")
    func size() throws {
        #expect(try #require(refusal("a: " + String(repeating: "x", count: 1024 * 1024))).contains("larger than"))
    }

    @Test(
        "whole numbers are read in every spelling",
        arguments: [
            ("720", 720), ("0x2D0", 720), ("0o17", 15), ("017", 15), ("0b11", 3), ("1_000", 1000), ("-5", -5), ("+5", 5), ("720.9", 720),
            ("1e3", 1000),
            ("0", 0), ("!!int \"7\"", 7),
        ])
    func ints(text: String, value: Int) throws { #expect(try read("v: \(text)")?["v"]?.int == value) }

    @Test(
        "what is no number is not read as one",
        arguments: [
            "\"720\"", "'8'", "true", "yes", "9999999999999999999999", "1:30", "abc", "[1]", "!!str 8", ".inf", "--5", "0x",
        ])
    func noInts(text: String) throws { #expect(try read("v: \(text)")?["v"]?.int == nil) }

    @Test(
        "a number or a switch can stand where text is wanted",
        arguments: [("123", "123"), ("yes", "yes"), ("1.50", "1.50"), ("~", ""), ("\"~\"", "~")])
    func texts(written: String, text: String) throws { #expect(try read("v: \(written)")?["v"]?.text == text) }
}
