import HTTP
import HTTPServer
import TestSupport
import Testing

@Suite("A server's streams and hang-ups", .timeLimit(.minutes(1)))
struct ServerStreamTests {
    // MARK: Streams

    @Test("each event arrives when it is written, not when the stream ends")
    func serverSentEvents() async throws {
        let next = AsyncStream<String>.makeStream()
        let handler: HTTPHandler = { _ in
            stream { sink in
                for await data in next.stream { try await sink.write(ServerSentEvent(id: "1", data: data).bytes) }
            }
        }
        try await withServer(handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            try await client.send(plainGet)
            #expect(try await client.responseHead().headers["Content-Type"] == "text/event-stream")
            for data in ["one", "two", "three"] {
                next.continuation.yield(data)
                #expect(try await client.text(through: "\n\n").contains("id: 1\ndata: \(data)"))
            }
            next.continuation.finish()
            #expect(try await client.text(through: "0\r\n\r\n").hasSuffix("0\r\n\r\n"))
        }
    }

    @Test("a producer that throws cuts the connection: what it wrote arrives, the end does not", arguments: [nil, 100])
    func throwingProducer(_ length: Int?) async throws {
        struct Broken: Error {}
        let handler: HTTPHandler = { _ in
            Response(
                status: 200,
                body: .stream(length: length) { sink in
                    try await sink.write(Array("half".utf8))
                    throw Broken()
                })
        }
        try await withServer(handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            try await client.send(plainGet)
            #expect(try await client.responseHead().status == 200)
            let rest = String(decoding: try await client.rest(), as: UTF8.self)
            #expect(rest.contains("half"))
            #expect(!rest.contains("0\r\n\r\n"))
        }
    }

    @Test("a sized stream that ends early cuts the connection")
    func shortStream() async throws {
        let handler: HTTPHandler = { _ in
            Response(status: 200, body: .stream(length: 100) { try await $0.write(Array("short".utf8)) })
        }
        try await withServer(handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            try await client.send(plainGet)
            #expect(try await client.responseHead().headers["Content-Length"] == "100")
            #expect(try await client.rest() == Array("short".utf8))
        }
    }

    @Test("a large upload arrives unharmed, and so does a large download", arguments: [true, false])
    func largeBodies(_ sized: Bool) async throws {
        // Pieces of uneven length, so that no boundary of ours falls on one of theirs; whole arrays, because a debug build is slow by byte.
        var bytes: [UInt8] = []
        for piece in 0..<400 { bytes.append(contentsOf: [UInt8](repeating: UInt8(truncatingIfNeeded: piece), count: 7499 + piece % 3)) }
        let size = bytes.count
        let handler: HTTPHandler = { request in
            guard let body = try? await request.body.collect(limit: size) else { return text("lost", status: 500) }
            return Response(
                status: 200,
                body: .stream(length: sized ? size : nil) { sink in
                    for start in stride(from: 0, to: body.count, by: 50_000) {
                        try await sink.write(Array(body[start..<min(size, start + 50_000)]))
                    }
                })
        }
        var limits = ListenerLimits()
        limits.bodyBytes = size
        try await withServer(limits: limits, handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            try await client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: \(size)\r\n\r\n")
            try await client.send(bytes)
            #expect(try await client.response(within: 30).body == bytes)
        }
    }

    // MARK: Backpressure, over unix sockets: their buffers are small and do not grow

    @Test("a producer waits while its reader does nothing")
    func readerBehind() async throws {
        let written = Count()
        let handler: HTTPHandler = { _ in
            Response(
                status: 200,
                body: .stream(length: nil) { sink in
                    for _ in 0..<1000 {
                        try await sink.write([UInt8](repeating: 1, count: 16 * 1024))
                        written.add(16 * 1024)
                    }
                })
        }
        try await withSocketPath { path in
            try await withServer(on: .unix(path: path), handler: handler) { server in
                let client = try await RawConnection.open(to: server.address)
                try await client.send(plainGet)
                _ = try await client.responseHead()
                let stoppedAt = try await written.settled()
                #expect(stoppedAt > 0 && stoppedAt < 1_500_000)
                #expect(try await client.chunkedBody(within: 30).count == 1000 * 16 * 1024)
            }
        }
    }

    @Test("a sender is held back while the handler reads nothing")
    func handlerBehind() async throws {
        let go = Fact()
        let handler: HTTPHandler = { request in
            await go.wait()
            return text("\((try? await request.body.collect(limit: .max))?.count ?? -1)")
        }
        var limits = ListenerLimits()
        limits.bodyBytes = 20_000_000
        try await withSocketPath { path in
            try await withServer(limits: limits, on: .unix(path: path), handler: handler) { server in
                let client = try await RawConnection.open(to: server.address)
                try await client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\n")
                let sent = try await client.sendUntilBlocked([UInt8](repeating: 1, count: 10_000_000))
                #expect(sent > 100_000 && sent < 1_500_000)
                go.set()
                try await client.send([UInt8](repeating: 1, count: 10_000_000 - sent))
                #expect(try await client.response().text == "10000000")
            }
        }
    }

    // MARK: Hang-ups

    @Test("a client that hangs up while a handler waits cancels it within a second", arguments: ["GET", "POST"])
    func hangUpWhileWaiting(_ method: String) async throws {
        let started = Fact()
        let cancelled = Fact()
        let handler: HTTPHandler = { _ in
            started.set()
            do { try await Task.sleep(for: .seconds(50)) } catch { cancelled.set() }
            return text("nobody reads this")
        }
        try await withServer(handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            try await client.send("\(method) / HTTP/1.1\r\nHost: h\r\n" + (method == "POST" ? "Content-Length: 2\r\n\r\nok" : "\r\n"))
            await started.wait()
            await client.close()
            #expect(await cancelled.wait() < .seconds(30))
        }
    }

    @Test("a client that hangs up in the middle of its upload fails the read", arguments: [false, true])
    func hangUpWhileUploading(_ held: Bool) async throws {
        let started = Fact()
        let cancelled = Fact()
        let handler: HTTPHandler = { request in
            started.set()
            do {
                if held { try await Task.sleep(for: .seconds(50)) }
                _ = try await request.body.collect(limit: .max)
            } catch { cancelled.set() }
            return text("nobody reads this")
        }
        try await withServer(handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            try await client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nhalf")
            // Enough to be held back, little enough that its end reaches the server's kernel.
            if held { try await client.send([UInt8](repeating: 1, count: 290_000)) }
            await started.wait()
            await client.close()
            #expect(await cancelled.wait() < .seconds(30))
        }
    }

    @Test("a client that hangs up on a quiet stream cancels its producer within a second")
    func hangUpOnQuietStream() async throws {
        let cancelled = Fact()
        let handler: HTTPHandler = { _ in
            stream { sink in
                try await sink.write(ServerSentEvent.keepAlive)
                do { try await Task.sleep(for: .seconds(50)) } catch { cancelled.set() }
            }
        }
        try await withServer(handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            try await client.send(plainGet)
            _ = try await client.text(through: "ping")
            await client.close()
            #expect(await cancelled.wait() < .seconds(30))
        }
    }

    @Test("a client that hangs up while a producer waits for it fails the write")
    func hangUpWhileBehind() async throws {
        let failed = Fact()
        let written = Count()
        let handler: HTTPHandler = { _ in
            stream { sink in
                do {
                    while true {
                        try await sink.write([UInt8](repeating: 1, count: 64 * 1024))
                        written.add()
                    }
                } catch {
                    failed.set()
                    throw error
                }
            }
        }
        try await withServer(handler: handler) { server in
            let client = try await RawConnection.open(to: server.address, receiveBuffer: 16 * 1024)
            try await client.send(plainGet)
            _ = try await client.responseHead()
            _ = try await written.settled()
            await client.close()
            #expect(await failed.wait() < .seconds(30))
        }
    }
}
