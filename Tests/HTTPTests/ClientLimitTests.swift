import Glibc
import HTTP
import HTTPClient
import TestSupport
import Testing

@Suite("The HTTP client: limits and cancellation", .timeLimit(.minutes(1)))
struct ClientLimitTests {
    let client = CurlTransport()

    @Test("a stream that falls silent is cut")
    func stall() async throws {
        let server = ScriptedServer { connection in
            _ = connection.readHead()
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
            connection.waitForClose()
            connection.note("closed")
        }
        let body = try await client.send(OutgoingRequest(.get, to: server, limits: ExchangeLimits(stall: .milliseconds(300)))).body
        #expect(try await body.next() == Array("some".utf8))
        #expect(await transportReason { _ = try await body.next() } == .stalled)
        await server.notes.wait(for: "closed")
    }

    @Test("a server that stops reading an upload is a stall")
    func uploadStall() async {
        let gate = Gate()
        let server = ScriptedServer(unix: true) { connection in
            _ = connection.readHead()
            gate.waitUntilOpen()
        }
        let source = ProducedSource { _ in [UInt8](repeating: 1, count: 64 * 1024) }
        let request = OutgoingRequest(
            .post, to: server, body: .stream(length: nil, source), limits: ExchangeLimits(stall: .milliseconds(300)))
        #expect(await transportReason { _ = try await client.send(request) } == .stalled)
        gate.open()
    }

    @Test("a reader that takes its time is not a stall")
    func pausedReader() async throws {
        let total = 2 * 1024 * 1024
        let server = ScriptedServer(unix: true) { connection in
            _ = connection.readHead()
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: \(total)\r\n\r\n")
            // Held back for several times the stall limit and more than one sweep.
            let sent = connection.write(total: total, patience: 2500)
            connection.note("held back")
            _ = connection.write(total: total - sent, patience: 10_000)
        }
        let response = try await client.send(OutgoingRequest(.get, to: server, limits: ExchangeLimits(stall: .milliseconds(300))))
        await server.notes.wait(for: "held back")
        #expect(try await response.body.collect(limit: total).count == total)
    }

    @Test("a producer that takes its time is not a stall")
    func pausedProducer() async throws {
        let server = ScriptedServer { connection in
            _ = connection.readHead()
            _ = connection.read(exactly: 3)
            connection.note(connection.isSilent(for: 2500) ? "silent" : "spoke")
            connection.respond(connection.read(exactly: 3) == Array("two".utf8) ? 200 : 500)
        }
        let source = ProducedSource { number in
            if number == 1 { await server.notes.wait(forCount: 1) }
            return number < 2 ? Array(["one", "two"][number].utf8) : nil
        }
        let request = OutgoingRequest(
            .post, to: server, body: .stream(length: 6, source), limits: ExchangeLimits(stall: .milliseconds(300)))
        #expect(try await client.send(request).status == 200)
        #expect(server.notes.all == ["silent"])
    }

    @Test("a head that does not come in time, and a body that does not end in time, are told apart")
    func deadlines() async throws {
        let silent = ScriptedServer { $0.waitForClose() }
        let head = OutgoingRequest(.get, to: silent, limits: ExchangeLimits(head: .milliseconds(100)))
        #expect(await transportReason { _ = try await client.send(head) } == .headTimeout)

        let endless = ScriptedServer { connection in
            _ = connection.readHead()
            connection.write("HTTP/1.1 200 OK\r\n\r\n")
            while connection.write("tick"), connection.isSilent(for: 20) {}
        }
        let body = try await client.send(OutgoingRequest(.get, to: endless, limits: ExchangeLimits(total: .milliseconds(300)))).body
        #expect(await transportReason { while try await body.next() != nil {} } == .totalTimeout)
    }

    @Test("a connect that gets no answer is cut")
    func connectTimeout() async {
        let blackHole = BlackHole()
        let request = OutgoingRequest(.get, "http://127.0.0.1:\(blackHole.port)/", limits: ExchangeLimits(connect: .milliseconds(200)))
        #expect(await transportReason { _ = try await client.send(request) } == .connectTimeout)
    }

    @Test("cancelling the task that waits for the head closes the connection")
    func cancelWaiting() async {
        let server = ScriptedServer { connection in
            _ = connection.readHead()
            connection.note("asked")
            connection.waitForClose()
            connection.note("closed")
        }
        let call = Task { [client] in try await client.send(OutgoingRequest(.get, to: server)).status }
        await server.notes.wait(for: "asked")
        call.cancel()
        await #expect(throws: CancellationError.self) { try await call.value }
        await server.notes.wait(for: "closed")
    }

    @Test("a call whose task is already cancelled sends nothing")
    func cancelledBefore() async {
        let server = ScriptedServer { $0.respond() }
        let call = Task { [client] in
            withUnsafeCurrentTask { $0?.cancel() }
            return try await client.send(OutgoingRequest(.get, to: server)).status
        }
        await #expect(throws: CancellationError.self) { try await call.value }
        #expect(server.connectionCount == 0)
    }

    @Test("cancelling the reader, or dropping the body, closes the connection", arguments: ["cancel", "drop", "drop while held back"])
    func abandonBody(how: String) async throws {
        let server = ScriptedServer(unix: true) { connection in
            _ = connection.readHead()
            connection.write("HTTP/1.1 200 OK\r\n\r\n")
            if how == "drop while held back" { _ = connection.write(total: 8 * 1024 * 1024, patience: 300) }
            connection.note("quiet")
            connection.waitForClose()
            connection.note("closed")
        }
        var response: IncomingResponse? = try await client.send(OutgoingRequest(.get, to: server))
        #expect(response?.status == 200)
        await server.notes.wait(for: "quiet")
        if how == "cancel", let body = response?.body {
            let reader = Task { try await body.next() }
            reader.cancel()
            await #expect(throws: CancellationError.self) { try await reader.value }
        }
        response = nil
        await server.notes.wait(for: "closed")
    }

    @Test("closing the client cuts what runs and refuses what comes")
    func close() async throws {
        let server = ScriptedServer { connection in
            _ = connection.readHead()
            connection.write("HTTP/1.1 200 OK\r\n\r\n")
            connection.waitForClose()
            connection.note("closed")
        }
        let own = CurlTransport()
        let body = try await own.send(OutgoingRequest(.get, to: server)).body
        own.close()
        #expect(await transportReason { _ = try await body.next() } == .cancelled)
        #expect(await transportReason { _ = try await own.send(OutgoingRequest(.get, to: server)) } == .cancelled)
        await server.notes.wait(for: "closed")
    }

    @Test("a body outlives the client that fetched it")
    func bodyOutlivesClient() async throws {
        let gate = Gate()
        let server = ScriptedServer { connection in
            _ = connection.readHead()
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
            gate.waitUntilOpen()
            connection.write("ok")
        }
        let body = try await CurlTransport().send(OutgoingRequest(.get, to: server)).body
        gate.open()
        #expect(try await body.collect(limit: 10) == Array("ok".utf8))
    }
}

/// A port whose queue of waiting connections is full, so that a further connect gets no answer.
private final class BlackHole {
    let port: Int
    private var descriptors: [Int32]

    init() {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        var fillers: [Int32] = []
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(listener, $0, size)
                _ = listen(listener, 0)
                _ = getsockname(listener, $0, &size)
                for _ in 0..<4 {
                    let filler = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
                    _ = connect(filler, $0, size)
                    fillers.append(filler)
                }
            }
        }
        port = Int(UInt16(bigEndian: address.sin_port))
        descriptors = [listener] + fillers
    }

    deinit { for descriptor in descriptors { Glibc.close(descriptor) } }
}
