import HTTP
import HTTPServer
import TestSupport
import Testing

@Suite("A server's exchanges", .timeLimit(.minutes(1)))
struct ServerExchangeTests {
    @Test("a request reaches the handler with path, query and headers decoded, and its answer comes back")
    func roundTrip() async throws {
        let handler: HTTPHandler = { request in
            let seen = [request.path, request.query["q"], request.headers["x-one"], request.remoteAddress].map { $0 ?? "-" }
            return text(seen.joined(separator: " "))
        }
        try await withServer(handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            try await client.send("GET /a%20b/c?q=x%26y+z HTTP/1.1\r\nHost: here\r\nX-One: 1 \r\n\r\n")
            let response = try await client.response()
            #expect(response.status == 200)
            #expect(response.text == "/a b/c x&y z 1 127.0.0.1")
        }
    }

    @Test("a handler that suspends still answers")
    func suspendingHandler() async throws {
        let handler: HTTPHandler = { _ in
            try? await Task.sleep(for: .milliseconds(20))
            return text("late")
        }
        try await withServer(handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            for _ in 0..<3 {
                try await client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                #expect(try await client.response().text == "late")
            }
        }
    }

    @Test("a body arrives whole, with a length and in chunks")
    func bodies() async throws {
        let handler: HTTPHandler = { request in
            let body = try? await request.body.collect(limit: 1 << 20)
            return text(String(decoding: body ?? [], as: UTF8.self))
        }
        try await withServer(handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            try await client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello")
            #expect(try await client.response().text == "hello")
            try await client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")
            #expect(try await client.response().text == "abcde")
        }
    }

    @Test("pipelined requests are answered in order, also when the first is the slow one")
    func pipelining() async throws {
        let handler: HTTPHandler = { request in
            if request.path == "/0" { try? await Task.sleep(for: .milliseconds(50)) }
            return text(request.path)
        }
        try await withServer(handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            try await client.send((0..<5).map { "GET /\($0) HTTP/1.1\r\nHost: h\r\n\r\n" }.joined())
            for index in 0..<5 { #expect(try await client.response().text == "/\(index)") }
        }
    }

    @Test("HEAD gets the head of GET and no body, for bytes and for streams")
    func head() async throws {
        let handler: HTTPHandler = { request in
            guard request.path == "/stream" else { return text("four") }
            return Response(status: 200, body: .stream(length: 4) { try await $0.write(Array("four".utf8)) })
        }
        try await withServer(handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            for path in ["/bytes", "/stream"] {
                try await client.send("HEAD \(path) HTTP/1.1\r\nHost: h\r\n\r\n")
                #expect(try await client.response(toHead: true).headers["Content-Length"] == "4")
            }
            try await client.send("GET /bytes HTTP/1.1\r\nHost: h\r\n\r\n")
            #expect(try await client.response().text == "four")
        }
    }

    @Test("Expect: 100-continue is answered before the body is sent")
    func expectContinue() async throws {
        let handler: HTTPHandler = { request in text("\((try? await request.body.collect(limit: 100))?.count ?? -1)") }
        try await withServer(handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            try await client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
            #expect(try await client.responseHead().status == 100)
            try await client.send("abc")
            #expect(try await client.response().text == "3")
        }
    }

    @Test("an answer that comes before the body was read waits for the rest of it and keeps the connection")
    func earlyAnswer() async throws {
        let handler: HTTPHandler = { _ in text("no", status: 401) }
        try await withServer(handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            for _ in 0..<2 {
                try await client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n")
                try await client.send([UInt8](repeating: 65, count: 200_000))
                #expect(try await client.response().status == 401)
            }
        }
    }

    @Test("a stream arrives in pieces as they are written, with a length and without")
    func streams() async throws {
        let handler: HTTPHandler = { request in
            let length: Int? = request.path == "/sized" ? 6 : nil
            return Response(
                status: 200,
                body: .stream(length: length) { sink in
                    for piece in ["ab", "cd", "ef"] {
                        try await sink.write(Array(piece.utf8))
                        try await Task.sleep(for: .milliseconds(5))
                    }
                })
        }
        try await withServer(handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            for path in ["/sized", "/chunked"] {
                try await client.send("GET \(path) HTTP/1.1\r\nHost: h\r\n\r\n")
                let response = try await client.response()
                #expect(response.text == "abcdef")
                #expect((response.headers["Content-Length"] == "6") == (path == "/sized"))
            }
        }
    }
}
