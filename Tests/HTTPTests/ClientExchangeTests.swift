import HTTP
import HTTPClient
import TestSupport
import Testing

@Suite("The HTTP client: one exchange", .timeLimit(.minutes(1)))
struct ClientExchangeTests {
    let client = CurlTransport()

    @Test("a response comes with its status, headers in order and body")
    func response() async throws {
        let server = ScriptedServer { connection in
            _ = connection.readHead()
            connection.respond(201, headers: ["X-One: 1", "x-one:  2 ", "Empty:"], "hello")
        }
        let response = try await client.send(OutgoingRequest(.get, to: server, "/path?q=1"))
        #expect(response.status == 201)
        #expect(response.headers.all("X-One") == ["1", "2"])
        #expect(response.headers["Empty"] == "")
        #expect(try await response.body.collect(limit: 100) == Array("hello".utf8))
    }

    @Test("a unix socket is dialled instead of the URL's host, and nothing is added to the request")
    func unixSocket() async throws {
        let server = ScriptedServer(unix: true) { connection in
            connection.note(connection.readHead() ?? "")
            connection.respond(200, "over the socket")
        }
        var request = OutgoingRequest(.get, "http://docker/v1.41/../_ping", headers: ["X-Empty": ""])
        request.unixSocket = server.socketPath
        let body = try await client.send(request).body.collect(limit: 100)
        #expect(String(decoding: body, as: UTF8.self) == "over the socket")
        #expect(server.notes.all == ["GET /v1.41/../_ping HTTP/1.1\r\nHost: docker\r\nX-Empty:\r\n\r\n"])
    }

    @Test("informational responses are dropped and trailers do not disturb")
    func informational() async throws {
        let server = ScriptedServer { connection in
            _ = connection.readHead()
            connection.write("HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
            connection.write("HTTP/1.1 200 OK\r\nX-Final: yes\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: t\r\n\r\n")
        }
        let response = try await client.send(OutgoingRequest(.get, to: server))
        #expect(response.status == 200)
        #expect(response.headers["Link"] == nil)
        #expect(response.headers["X-Final"] == "yes")
        #expect(try await response.body.collect(limit: 100) == Array("ok".utf8))
    }

    @Test("HEAD has headers and no body, and the connection stays usable")
    func headMethod() async throws {
        let server = ScriptedServer { connection in
            while let head = connection.readHead() {
                connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + (head.hasPrefix("HEAD") ? "" : "ok"))
            }
        }
        let response = try await client.send(OutgoingRequest(.head, to: server))
        #expect(response.headers["Content-Length"] == "2")
        #expect(try await response.body.next() == nil)
        #expect(try await client.send(OutgoingRequest(.get, to: server)).body.collect(limit: 10) == Array("ok".utf8))
        #expect(server.connectionCount == 1)
    }

    @Test("in-memory bodies carry their length for every method", arguments: [Method.post, .put, .patch, .delete])
    func bodies(method: HTTP.Method) async throws {
        let server = ScriptedServer { connection in
            let head = connection.readHead() ?? ""
            connection.note(String(head.prefix { $0 != "\r\n" }))
            connection.note(head.contains("\r\nContent-Length: 4\r\n") && !head.contains("Expect") ? "framed" : head)
            connection.respond(200, String(decoding: connection.read(exactly: 4) ?? [], as: UTF8.self))
        }
        let request = OutgoingRequest(method, server.url(), headers: ["Content-Length": "99"], body: .bytes(Array("body".utf8)))
        #expect(try await client.send(request).body.collect(limit: 10) == Array("body".utf8))
        #expect(server.notes.all == ["\(method.rawValue) / HTTP/1.1", "framed"])
    }

    @Test("a POST without a body says so with a length of 0")
    func emptyPost() async throws {
        let server = ScriptedServer { connection in
            connection.note((connection.readHead() ?? "").contains("\r\nContent-Length: 0\r\n") ? "framed" : "not framed")
            connection.respond(204)
        }
        #expect(try await client.send(OutgoingRequest(.post, to: server)).status == 204)
        #expect(server.notes.all == ["framed"])
    }

    @Test("a redirect is delivered, not followed")
    func redirect() async throws {
        let server = ScriptedServer { connection in
            while let head = connection.readHead() {
                connection.note(String(head.prefix { $0 != "\r\n" }))
                connection.respond(302, headers: ["Location: /elsewhere"])
            }
        }
        let response = try await client.send(OutgoingRequest(.get, to: server))
        #expect(response.status == 302)
        #expect(response.headers["Location"] == "/elsewhere")
        #expect(try await response.body.next() == nil)
        #expect(server.notes.all == ["GET / HTTP/1.1"])
    }

    @Test("sequential requests share one kept connection")
    func keepAlive() async throws {
        let server = ScriptedServer { connection in
            while connection.readHead() != nil { connection.respond(200, "ok") }
        }
        for _ in 0..<5 { _ = try await client.send(OutgoingRequest(.get, to: server)).body.collect(limit: 10) }
        #expect(server.connectionCount == 1)
    }

    @Test("20 parallel calls each get their own answer")
    func parallel() async throws {
        let server = ScriptedServer(unix: true) { connection in
            while let head = connection.readHead() { connection.respond(200, String(head.split(separator: " ")[1])) }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<20 {
                group.addTask { [client] in
                    for turn in 0..<10 {
                        let body = try await client.send(OutgoingRequest(.get, to: server, "/\(number)/\(turn)")).body.collect(limit: 100)
                        #expect(String(decoding: body, as: UTF8.self) == "/\(number)/\(turn)")
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(server.connectionCount <= 20)
    }
}
