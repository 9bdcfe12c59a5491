import HTTP
import HTTPServer
import TestSupport
import Testing

/// Requests that two readers could understand differently are refused before any handler sees them.
@Suite("A server's framing", .timeLimit(.minutes(1)))
struct ServerFramingTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let bytes: String
        var status = 400
        /// libmicrohttpd refuses these itself, in its own words, before we see them.
        var answeredByLibrary = false

        init(_ name: String, _ bytes: String, status: Int = 400, answeredByLibrary: Bool = false) {
            testDescription = name
            self.bytes = bytes
            self.status = status
            self.answeredByLibrary = answeredByLibrary
        }
    }

    private static func post(_ headers: String) -> String { "POST / HTTP/1.1\r\nHost: h\r\n\(headers)\r\n\r\nhello" }
    private static func get(_ target: String) -> String { "GET \(target) HTTP/1.1\r\nHost: h\r\n\r\n" }

    static let cases = [
        Case("two lengths that agree", post("Content-Length: 5\r\nContent-Length: 5")),
        Case("two lengths that differ", post("Content-Length: 5\r\nContent-Length: 6")),
        Case("length and chunked", post("Content-Length: 5\r\nTransfer-Encoding: chunked")),
        Case("chunked and length", post("Transfer-Encoding: chunked\r\nContent-Length: 5")),
        Case("unknown coding", post("Transfer-Encoding: gzip")),
        Case("coding before chunked", post("Transfer-Encoding: gzip, chunked")),
        Case("two codings", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")),
        Case("chunked in HTTP/1.0", "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        Case("negative length", post("Content-Length: -1"), answeredByLibrary: true),
        Case("signed length", post("Content-Length: +5"), answeredByLibrary: true),
        Case("list of lengths", post("Content-Length: 5, 5"), answeredByLibrary: true),
        Case("empty length", post("Content-Length: "), answeredByLibrary: true),
        Case("a length beyond 64 bits", post("Content-Length: 10000000000000000000000"), status: 413, answeredByLibrary: true),
        Case("a bad chunk size", post("Transfer-Encoding: chunked\r\n\r\n0x5"), answeredByLibrary: true),
        Case("no Host", "GET / HTTP/1.1\r\nAccept: */*\r\n\r\n"),
        Case("no header at all", "GET / HTTP/1.1\r\n\r\n"),
        Case("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        Case("NUL in a value", "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n"),
        Case("NUL at the end of a value", "GET / HTTP/1.1\r\nHost: h\0\r\nX: a\r\n\r\n"),
        Case("NUL in the last value", "GET / HTTP/1.1\r\nX: a\r\nHost: h\0x\r\n\r\n"),
        Case("NUL that hides a length", "POST / HTTP/1.1\r\nHost: h\r\nX: a\0\r\nContent-Length: 5\r\n\r\nhello"),
        Case("NUL in a name", "GET / HTTP/1.1\r\nHost: h\r\nX\0Y: a\r\n\r\n", answeredByLibrary: true),
        Case("NUL in the target", get("/a\0b")),
        Case("NUL at the end of the target", get("/a\0")),
        Case("bare line feeds", "GET / HTTP/1.1\nHost: h\n\n"),
        Case("a folded value", "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\nY: c\r\n\r\n"),
        Case("a folded last value", "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n"),
        Case("space before the colon", "GET / HTTP/1.1\r\nHost: h\r\nContent-Length : 5\r\n\r\nhello"),
        Case("an empty name", "GET / HTTP/1.1\r\nHost: h\r\n: a\r\n\r\n"),
        Case("a control character in a value", "GET / HTTP/1.1\r\nHost: h\r\nX: a\u{1}b\r\n\r\n"),
        Case("a line without colon", "GET / HTTP/1.1\r\nHost: h\r\nnonsense\r\n\r\n", answeredByLibrary: true),
        Case("unknown method", "BREW / HTTP/1.1\r\nHost: h\r\n\r\n", status: 501),
        Case("a later version", "GET / HTTP/1.2\r\nHost: h\r\n\r\n", status: 505),
        Case("relative target", get("a/b")),
        Case("a space in the target", get("/a b")),
        Case("a broken escape", get("/a%zz")),
        Case("a cut escape", get("/a%2")),
        Case("a signed escape", get("/a%+f")),
        Case("an escape that is no UTF-8", get("/a%ff")),
        Case("an escaped NUL", get("/a%00b")),
        Case("an escaped NUL in the query", get("/a?b=%00")),
        Case("an escaped slash", get("/a%2Fb")),
        Case("a fragment", get("/a#b")),
    ]

    @Test("is refused: ", arguments: cases)
    func refused(_ wrong: Case) async throws {
        let calls = Count()
        let handler: HTTPHandler = { _ in
            calls.add()
            return text("handled")
        }
        try await withServer(handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            try await client.send(wrong.bytes)
            let answer = String(decoding: try await client.rest(within: 5), as: UTF8.self)
            #expect(answer.hasPrefix("HTTP/1.1 \(wrong.status) "), "\(answer)")
            if !wrong.answeredByLibrary {
                #expect(answer.contains("\"code\":\"invalid_request\""))
                #expect(answer.contains("application/json"))
                #expect(calls.value == 0)
            }
        }
    }

    @Test(
        "is accepted: ",
        arguments: [
            "GET http://h/a HTTP/1.1\r\nHost: h\r\n\r\n", "GET /a HTTP/1.0\r\n\r\n", "GET /a?x=%2F&y=%zz HTTP/1.1\r\nHost: h\r\n\r\n",
            "\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\n", "GET /%61 HTTP/1.1\r\nhost:h\r\nX:\r\nY: a b \r\nCookie: a=b; c=d\r\n\r\n",
            "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
            "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
        ])
    func accepted(_ request: String) async throws {
        let handler: HTTPHandler = { request in text(request.path) }
        try await withServer(handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            try await client.send(request)
            let response = try await client.response()
            #expect(response.status == 200)
            #expect(response.text == "/a")
        }
    }

    @Test("an unsound request in a pipeline is answered after those before it, and nothing after it is read")
    func pipelineStops() async throws {
        let handler: HTTPHandler = { request in text(request.path) }
        try await withServer(handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            try await client.send(Self.get("/1") + Self.post("Content-Length: 5\r\nTransfer-Encoding: chunked") + Self.get("/3"))
            #expect(try await client.response().text == "/1")
            #expect(try await client.response().status == 400)
            #expect(try await client.rest().isEmpty)
        }
    }
}
