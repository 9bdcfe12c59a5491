import HTTP
import HTTPClient
import Synchronization
import TestSupport
import Testing

@Suite("The HTTP client: bodies that stream", .timeLimit(.minutes(1)))
struct ClientStreamTests {
    let client = CurlTransport()

    @Test("a reader that does not read holds the server back, and gets every byte in the end")
    func downloadBackpressure() async throws {
        let total = 8 * 1024 * 1024
        let server = ScriptedServer(unix: true) { connection in
            _ = connection.readHead()
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: \(total)\r\n\r\n")
            let sent = connection.write(total: total, patience: 300)
            connection.note((256 * 1024...1024 * 1024).contains(sent) ? "held back" : "sent \(sent)")
            connection.note("rest \(connection.write(total: total - sent, patience: 10_000) + sent)")
        }
        let response = try await client.send(OutgoingRequest(.get, to: server))
        await server.notes.wait(forCount: 1)
        #expect(server.notes.all == ["held back"])
        var received = 0
        while let chunk = try await response.body.next() { received += chunk.count }
        #expect(received == total)
    }

    @Test("each piece of a slow stream arrives when it is sent")
    func pieces() async throws {
        let gate = Gate()
        let server = ScriptedServer { connection in
            _ = connection.readHead()
            connection.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in ["one", "two", "six"] {
                connection.write("3\r\n\(piece)\r\n")
                gate.waitUntilOpen()
            }
            connection.write("0\r\n\r\n")
        }
        let body = try await client.send(OutgoingRequest(.get, to: server)).body
        for piece in ["one", "two", "six"] {
            #expect(try await body.next() == Array(piece.utf8))
            gate.open()
        }
        #expect(try await body.next() == nil)
    }

    @Test("a produced body is sent as it comes", arguments: [true, false])
    func upload(announced: Bool) async throws {
        let server = ScriptedServer { connection in
            let head = connection.readHead() ?? ""
            connection.note(
                head.contains("Content-Length: 12\r\n") ? "length" : head.contains("Transfer-Encoding: chunked\r\n") ? "chunked" : head)
            let expected = announced ? "one.two.six." : "4\r\none.\r\n4\r\ntwo.\r\n4\r\nsix.\r\n0\r\n\r\n"
            connection.respond(200, connection.read(exactly: expected.utf8.count) == Array(expected.utf8) ? "same" : "different")
        }
        let source = ProducedSource { number in
            // The next piece is made only once curl has gone to sleep over the last one.
            try await Task.sleep(for: .milliseconds(20))
            return number < 3 ? Array(["one.", "two.", "six."][number].utf8) : nil
        }
        let request = OutgoingRequest(.post, to: server, body: .stream(length: announced ? 12 : nil, source))
        #expect(try await client.send(request).body.collect(limit: 100) == Array("same".utf8))
        #expect(server.notes.all == [announced ? "length" : "chunked"])
    }

    @Test("a server that does not read holds the producer back")
    func uploadBackpressure() async throws {
        let (pieces, piece) = (512, 32 * 1024)
        let produced = Mutex(0)
        let received = Mutex(0)
        let lead = Mutex(0)
        let started = Gate()
        let server = ScriptedServer(unix: true) { connection in
            _ = connection.readHead()
            started.waitUntilOpen()
            while received.withLock({ $0 }) < pieces * piece, let bytes = connection.read() { received.withLock { $0 += bytes.count } }
            connection.respond(200)
        }
        let source = ProducedSource { number in
            // Early enough that neither buffer is full: a unix socket stops being writable at a quarter of its size.
            if number == 4 { started.open() }
            guard number < pieces else { return nil }
            let ahead = produced.withLock { produced in
                produced += piece
                return produced - received.withLock { $0 }
            }
            lead.withLock { $0 = max($0, ahead) }
            return [UInt8](repeating: 1, count: piece)
        }
        let response = try await client.send(OutgoingRequest(.put, to: server, body: .stream(length: pieces * piece, source)))
        #expect(response.status == 200)
        // High water, curl's own buffer and the socket's.
        #expect(lead.withLock { $0 } <= 1024 * 1024)
    }

    @Test("a refusal in the middle of an upload ends it, while the producer waits and while it produces", arguments: [true, false])
    func refusedUpload(producerWaits: Bool) async throws {
        let server = ScriptedServer { connection in
            _ = connection.readHead()
            _ = connection.read()
            connection.respond(413, headers: ["Connection: close"], "too large")
            connection.waitForClose()
        }
        let source = ProducedSource { number in
            if number == 0 { return Array("first".utf8) }
            if producerWaits { return try await waitForCancellation(noting: "cancelled", in: server.notes) }
            return [UInt8](repeating: 1, count: 1024)
        }
        let response = try await client.send(OutgoingRequest(.post, to: server, body: .stream(length: nil, source)))
        #expect(response.status == 413)
        #expect(try await response.body.collect(limit: 100) == Array("too large".utf8))
        if producerWaits { await server.notes.wait(for: "cancelled") }
    }

    @Test("a producer that fails fails the call, and the server does not see a whole body")
    func failingProducer() async throws {
        struct Broken: Error {}
        let server = ScriptedServer { connection in
            _ = connection.readHead()
            var seen: [UInt8] = []
            while let bytes = connection.read() { seen += bytes }
            connection.note(String(decoding: seen, as: UTF8.self).hasSuffix("0\r\n\r\n") ? "whole" : "cut")
        }
        let source = ProducedSource { number in
            guard number == 0 else { throw Broken() }
            return Array("first".utf8)
        }
        await #expect(throws: Broken.self) {
            _ = try await client.send(OutgoingRequest(.post, to: server, body: .stream(length: nil, source)))
        }
        await server.notes.wait(forCount: 1)
        #expect(server.notes.all == ["cut"])
    }

    @Test("a produced body of another length than announced is an error", arguments: [3, 5])
    func wrongLength(announced: Int) async {
        let server = ScriptedServer { connection in
            _ = connection.readHead()
            connection.waitForClose()
        }
        let request = OutgoingRequest(.post, to: server, body: .stream(length: announced, BufferedSource([Array("four".utf8)])))
        #expect(await transportReason { _ = try await client.send(request) } == .other)
    }
}
