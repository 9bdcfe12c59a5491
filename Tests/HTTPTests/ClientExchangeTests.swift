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
        let response = try await client.send(OutgoingRequest(.get, server.url("/path?q=1")))
        #expect(response.status == 201)
        #expect(response.headers.all("X-One") == ["1", "2"])
        #expect(response.headers["Empty"] == "")
        #expect(try await response.body.collect(limit: 100) == Array("hello".utf8))
    }

    @Test("a unix socket is dialled instead of the URL's host")
    func unixSocket() async throws {
        let server = ScriptedServer(unix: true) { connection in
            connection.note(connection.readHead() ?? "")
            connection.respond(200, "over the socket")
        }
        var request = OutgoingRequest(.get, "http://docker/v1.41/_ping")
        request.unixSocket = server.socketPath
        let body = try await client.send(request).body.collect(limit: 100)
        #expect(String(decoding: body, as: UTF8.self) == "over the socket")
        #expect(server.notes.all == ["GET /v1.41/_ping HTTP/1.1\r\nHost: docker\r\n\r\n"])
    }
}
