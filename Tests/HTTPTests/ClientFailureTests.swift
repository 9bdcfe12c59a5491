import Glibc
import HTTP
import TestSupport
import Testing

@testable import HTTPClient

@Suite("The HTTP client: failures and guards", .timeLimit(.minutes(1)))
struct ClientFailureTests {
    let client = CurlTransport()

    @Test(
        "a response that breaks off is an error after its last byte",
        arguments: [
            "Content-Length: 100\r\n\r\nsome", "Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n",
            "Transfer-Encoding: chunked\r\n\r\n64\r\nsome",
        ])
    func earlyEnd(answer: String) async throws {
        let server = ScriptedServer { connection in
            _ = connection.readHead()
            connection.write("HTTP/1.1 200 OK\r\n" + answer)
        }
        let body = try await client.send(OutgoingRequest(.get, to: server)).body
        #expect(try await body.next() == Array("some".utf8))
        #expect(await transportReason { _ = try await body.next() } == .connectionReset)
    }

    @Test("a connection closed before the head is an error", arguments: ["", "HTTP/1.1 200 OK\r\nContent-Le"])
    func noHead(answer: String) async {
        let server = ScriptedServer { connection in
            _ = connection.readHead()
            connection.write(answer)
        }
        #expect(await transportReason { _ = try await client.send(OutgoingRequest(.post, to: server)) } == .connectionReset)
    }

    @Test("something that is not HTTP is an error")
    func notHTTP() async {
        let server = ScriptedServer { connection in
            _ = connection.readHead()
            connection.write("220 mail.example ESMTP\r\n")
        }
        #expect(await transportReason { _ = try await client.send(OutgoingRequest(.get, to: server)) } == .other)
    }

    @Test("a response head without end is refused")
    func endlessHead() async {
        let server = ScriptedServer { connection in
            _ = connection.readHead()
            connection.write("HTTP/1.1 200 OK\r\n")
            let line = "X-Filler: " + String(repeating: "x", count: 8000) + "\r\n"
            while connection.write(line) {}
        }
        #expect(await transportReason { _ = try await client.send(OutgoingRequest(.get, to: server)) } == .other)
    }

    @Test("nobody listening, no socket, and a socket nobody listens on are told apart")
    func cannotConnect() async throws {
        let port = ScriptedServer { _ in }.port
        #expect(
            await transportReason { _ = try await client.send(OutgoingRequest(.get, "http://127.0.0.1:\(port)/")) } == .connectionRefused)

        var missing = OutgoingRequest(.get, "http://docker/_ping")
        missing.unixSocket = "/tmp/berth-test-no-such-socket"
        #expect(await transportReason { _ = try await client.send(missing) } == .socketMissing)

        var tooLong = missing
        tooLong.unixSocket = "/tmp/" + String(repeating: "x", count: 110)
        #expect(await transportReason { _ = try await client.send(tooLong) } == .invalidURL)
    }

    @Test(
        "the system's connect errors map to reasons",
        arguments: [
            (EACCES, TransportError.Reason.permissionDenied), (EPERM, .permissionDenied), (ENOENT, .socketMissing),
            (ECONNREFUSED, .connectionRefused),
            (ETIMEDOUT, .connectTimeout), (ECONNRESET, .connectionReset), (EHOSTUNREACH, .other), (0, .other),
        ])
    func connectErrors(number: Int32, reason: TransportError.Reason) {
        #expect(TransportError(connectErrno: number).reason == reason)
    }

    @Test(
        "only absolute http and https URLs are sent",
        arguments: ["", "/path", "ftp://127.0.0.1/", "file:///etc/passwd", "http://a b/", "http://user:secret@127.0.0.1/", "http://"])
    func urls(url: String) async {
        #expect(await transportReason { _ = try await client.send(OutgoingRequest(.get, url)) } == .invalidURL)
    }

    @Test("a header that would start another line is refused", arguments: ["a\r\nX-Injected: 1", "a\nb", "a\0b"])
    func headerInjection(value: String) async {
        let server = ScriptedServer { $0.respond() }
        let request = OutgoingRequest(.get, server.url(), headers: ["X-Value": value])
        #expect(await transportReason { _ = try await client.send(request) } == .other)
        #expect(server.connectionCount == 0)
    }

    @Test("a pinned address is dialled whatever the name says, and the name stays in the request")
    func pinned() async throws {
        let server = ScriptedServer { connection in
            let head = connection.readHead() ?? ""
            connection.respond(head.contains("Host: agent.invalid:") ? 200 : 500)
        }
        var request = OutgoingRequest(.get, "http://agent.invalid:\(server.port)/")
        request.pinnedAddress = "127.0.0.1"
        #expect(try await client.send(request).status == 200)
    }

    @Test("a kept connection to one address is not used for a request pinned to another")
    func pinnedElsewhere() async throws {
        let server = ScriptedServer { connection in
            while connection.readHead() != nil { connection.respond(200, "ok") }
        }
        var request = OutgoingRequest(.get, "http://agent.invalid:\(server.port)/")
        request.pinnedAddress = "127.0.0.1"
        _ = try await client.send(request).body.collect(limit: 10)
        request.pinnedAddress = "127.0.0.2"
        #expect(await transportReason { _ = try await client.send(request) } == .connectionRefused)
        #expect(server.connectionCount == 1)
        request.pinnedAddress = "localhost"
        #expect(await transportReason { _ = try await client.send(request) } == .addressNotAllowed)
    }

    @Test("a socket or a kept connection to another address than the pinned one is refused")
    func secondFence() throws {
        var request = OutgoingRequest(.get, "http://agent.invalid/")
        request.pinnedAddress = "10.0.0.1"
        let exchange = try Exchange(request, loop: CurlLoop(maximumIdleConnections: 1))
        #expect(exchange.mayConnect(to: [10, 0, 0, 1]))
        #expect(exchange.maySend(to: "10.0.0.1"))
        #expect(!exchange.mayConnect(to: [169, 254, 169, 254]))
        #expect(exchange.explain(.init(7), errorNumber: 0).reason == .addressNotAllowed)
        #expect(!(try Exchange(request, loop: exchange.loop).maySend(to: "169.254.169.254")))
    }

    @Test(
        "a POST read by a server that then closes is not sent a second time",
        arguments: [OutgoingRequest.Body.none, .bytes(Array("x".utf8))])
    func notDoubled(body: OutgoingRequest.Body) async throws {
        let server = dyingServer()
        #expect(try await client.send(OutgoingRequest(.post, to: server, body: body)).status == 200)
        #expect(await transportReason { _ = try await client.send(OutgoingRequest(.post, to: server, body: body)) } == .connectionReset)
        #expect(server.notes.all == ["POST", "POST"])
        #expect(try await client.send(OutgoingRequest(.post, to: server, body: body)).status == 200)
    }

    @Test("a GET in the same place is repeated on a new connection")
    func repeated() async throws {
        let server = dyingServer()
        for _ in 0..<2 { #expect(try await client.send(OutgoingRequest(.get, to: server)).status == 200) }
        #expect(server.notes.all == ["GET", "GET", "GET"])
    }

    /// Answers the first request of each connection, reads the second and closes without a word.
    private func dyingServer() -> ScriptedServer {
        ScriptedServer { connection in
            for turn in 0..<2 {
                guard let head = connection.readHead() else { return }
                if head.contains("Content-Length: 1\r\n") { _ = connection.read(exactly: 1) }
                connection.note(String(head.prefix { $0 != " " }))
                if turn == 0 { connection.respond() }
            }
        }
    }
}
