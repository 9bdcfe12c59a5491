import HTTP
import Testing

@Suite("Queries, escapes and headers")
struct QueryTests {
    @Test(
        "a query is split, then decoded",
        arguments: [
            ("a=1&b=2", "b", "2"), ("a=1%26b%3D2", "a", "1&b=2"), ("a=x+y%2B", "a", "x y+"), ("a", "a", ""), ("a=", "a", ""),
            ("a=b=c", "a", "b=c"),
            ("a=1&a=2", "a", "1"), ("&&a=1&", "a", "1"), ("a=%zz", "a", "%zz"), ("%61=1", "a", "1"), ("a=1&\u{301}b=2", "\u{301}b", "2"),
        ])
    func query(_ text: String, _ name: String, _ value: String) {
        #expect(Query(parsing: text)[name] == value)
        #expect(Query(parsing: text)["other"] == nil)
    }

    @Test(
        "escapes are decoded",
        arguments: [("a%20b", "a b"), ("%C3%A9", "é"), ("%c3%a9", "é"), ("plain", "plain"), ("%25", "%"), ("a+b", "a+b")])
    func decoded(_ text: String, _ expected: String) {
        #expect(PercentCoding.decoded(text) == expected)
    }

    @Test("broken escapes are refused", arguments: ["%", "%2", "a%zz", "%+f", "% 1", "%ff", "%e9"])
    func broken(_ text: String) {
        #expect(PercentCoding.decoded(text) == nil)
    }

    @Test("what is encoded decodes to itself", arguments: ["", "a b/c?d#e", "é%", "-._~", "\u{0}\u{7F}"])
    func encoded(_ text: String) {
        let escaped = PercentCoding.encoded(text)
        #expect(escaped.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") })
        #expect(PercentCoding.decoded(escaped) == text)
        #expect(PercentCoding.encoded("a/b", keeping: "/") == "a/b")
    }

    @Test("header names compare without regard to case, values keep their order")
    func headers() {
        var headers: Headers = ["Accept": "a", "X-One": "1"]
        headers.add("ACCEPT", "b")
        #expect(headers["accept"] == "a")
        #expect(headers.all("Accept") == ["a", "b"])
        #expect(headers["Accept@"] == nil)
        headers["accept"] = "c"
        #expect(headers.all("Accept") == ["c"])
        headers["x-one"] = nil
        #expect(headers.fields == [Headers.Field("accept", "c")])
    }

    @Test(
        "a bearer token is read",
        arguments: [
            ("Bearer abc", "abc"), ("Bearer   abc  ", "abc"), ("bearer abc", nil), ("Basic abc", nil), ("Bearer ", nil), ("Bearer", nil),
            ("Bearer a b", "a b"),
        ])
    func bearer(_ value: String, _ token: String?) {
        #expect((["Authorization": value] as Headers).bearer == token)
    }
}
