import HTTP
import HTTPServer
import TestSupport
import Testing

@Suite("A server's limits", .timeLimit(.minutes(1)))
struct ServerLimitTests {
    private static let reading: HTTPHandler = { request in
        text("\((try? await request.body.collect(limit: .max))?.count ?? -1)")
    }

    private static func small(_ change: (inout ListenerLimits) -> Void = { _ in }) -> ListenerLimits {
        var limits = ListenerLimits()
        limits.headerBytes = 4096
        limits.bodyBytes = 1000
        change(&limits)
        return limits
    }

    // MARK: Sizes

    @Test("a Content-Length over the limit is 413 before a byte of the body is sent", arguments: ["", "Expect: 100-continue\r\n"])
    func declaredTooLarge(_ extra: String) async throws {
        try await withServer(limits: Self.small(), handler: Self.reading) { server in
            let client = try await RawConnection.open(to: server.address)
            try await client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\(extra)\r\n")
            let response = try await client.response()
            #expect(response.status == 413)
            #expect(response.text.contains("\"code\":\"payload_too_large\""))
        }
    }

    @Test("a body of exactly the limit passes", arguments: [true, false])
    func exactlyTheLimit(_ chunked: Bool) async throws {
        try await withServer(limits: Self.small(), handler: Self.reading) { server in
            let client = try await RawConnection.open(to: server.address)
            let body = String(repeating: "x", count: 1000)
            let framed = chunked ? "Transfer-Encoding: chunked\r\n\r\n3e8\r\n\(body)\r\n0\r\n\r\n" : "Content-Length: 1000\r\n\r\n\(body)"
            try await client.send("POST / HTTP/1.1\r\nHost: h\r\n" + framed)
            #expect(try await client.response().text == "1000")
        }
    }

    @Test("a chunked body over the limit is drained and then 413; the connection goes on")
    func chunkedTooLarge() async throws {
        let failures = Count()
        let handler: HTTPHandler = { request in
            do {
                return text("\(try await request.body.collect(limit: .max).count)")
            } catch let error as BodyTooLarge {
                failures.add(error.limit)
                return text("the handler's answer", status: 500)
            } catch {
                return text("another error", status: 500)
            }
        }
        try await withServer(limits: Self.small(), handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            let chunk = "400\r\n" + String(repeating: "x", count: 1024) + "\r\n"
            try await client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + chunk + "0\r\n\r\n")
            #expect(try await client.response().status == 413)
            try await client.send(plainGet)
            #expect(try await client.response().status == 200)
            #expect(failures.value == 1000)
        }
    }

    @Test("a chunked body far over the limit is not read to its end")
    func chunkedEndless() async throws {
        let limits = Self.small { $0.drainBytes = 64 * 1024 }
        try await withServer(limits: limits, handler: Self.reading) { server in
            let client = try await RawConnection.open(to: server.address)
            let chunk = "4000\r\n" + String(repeating: "x", count: 16384) + "\r\n"
            try await client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
            await #expect(throws: RawConnection.Failure.self) {
                for _ in 0..<10_000 { try await client.send(chunk) }
            }
        }
    }

    @Test("headers over the limit are 431, also far over it", arguments: [4096, 20_000, 200_000])
    func headersTooLarge(_ size: Int) async throws {
        try await withServer(limits: Self.small(), handler: Self.reading) { server in
            let client = try await RawConnection.open(to: server.address)
            try? await client.send("GET / HTTP/1.1\r\nHost: h\r\nX: \(String(repeating: "x", count: size))\r\n\r\n")
            #expect(try await client.responseHead().status == 431)
        }
    }

    @Test("a target over the limit is 414, also far over it", arguments: [4096, 200_000])
    func targetTooLong(_ size: Int) async throws {
        try await withServer(limits: Self.small(), handler: Self.reading) { server in
            let client = try await RawConnection.open(to: server.address)
            try? await client.send("GET /\(String(repeating: "x", count: size)) HTTP/1.1\r\nHost: h\r\n\r\n")
            #expect(try await client.responseHead().status == 414)
        }
    }

    // MARK: Time

    @Test("a header that trickles in is cut at the deadline, however steadily it comes")
    func trickle() async throws {
        try await withServer(limits: Self.small { $0.requestDeadline = .seconds(2) }, handler: Self.reading) { server in
            let client = try await RawConnection.open(to: server.address)
            let start = ContinuousClock.now
            try await client.send("GET / HTTP/1.1\r\nHost: h\r\nX: ")
            await #expect(throws: RawConnection.Failure.self) {
                while ContinuousClock.now - start < .seconds(20) {
                    try await client.send("x")
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
            #expect(ContinuousClock.now - start < .seconds(60))
        }
    }

    @Test("a client that says nothing, half a head or half a body is cut at the deadline", arguments: ["", "GET / HT", "POST"])
    func silence(_ beginning: String) async throws {
        let lost = Fact()
        let handler: HTTPHandler = { request in
            do { _ = try await request.body.collect(limit: .max) } catch is ConnectionLost { lost.set() } catch {}
            return text("never")
        }
        let limits = Self.small {
            $0.requestDeadline = .seconds(2)
            $0.bodyBytes = 1_000_000
        }
        try await withServer(limits: limits, handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            let start = ContinuousClock.now
            try await client.send(beginning == "POST" ? "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nhalf" : beginning)
            #expect(try await client.rest().isEmpty)
            #expect(ContinuousClock.now - start < .seconds(60))
            if beginning == "POST" { await lost.wait() }
        }
    }

    @Test("an idle connection is closed after the keep-alive time, not before")
    func keepAlive() async throws {
        try await withServer(limits: Self.small { $0.keepAlive = .seconds(1) }, handler: Self.reading) { server in
            let client = try await RawConnection.open(to: server.address)
            try await client.send(plainGet)
            #expect(try await client.response().status == 200)
            let start = ContinuousClock.now
            #expect(try await client.rest().isEmpty)
            let waited = ContinuousClock.now - start
            #expect(waited > .milliseconds(250) && waited < .seconds(60))
        }
    }

    @Test("a slow handler is not the client's fault: neither deadline counts while it works")
    func slowHandler() async throws {
        let limits = Self.small {
            $0.requestDeadline = .seconds(2)
            $0.keepAlive = .seconds(2)
        }
        let handler: HTTPHandler = { _ in
            // Beyond the library's own inactivity limit, too.
            try? await Task.sleep(for: .milliseconds(4500))
            return text("done")
        }
        try await withServer(limits: limits, handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            try await client.send(plainGet)
            #expect(try await client.response().text == "done")
        }
    }

    @Test("a handler that holds an upload back does not use up its client's time")
    func heldUpload() async throws {
        var limits = ListenerLimits()
        limits.requestDeadline = .seconds(2)
        let handler: HTTPHandler = { request in
            try? await Task.sleep(for: .seconds(4))
            return text("\((try? await request.body.collect(limit: .max))?.count ?? -1)")
        }
        try await withServer(limits: limits, handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            try await client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n")
            try await client.send([UInt8](repeating: 65, count: 1_000_000))
            #expect(try await client.response().text == "1000000")
        }
    }

    @Test("a client that does not read its response is cut after the keep-alive time, also without a new byte to send")
    func unreadResponse() async throws {
        let failed = Fact()
        let handler: HTTPHandler = { _ in
            stream { sink in
                do {
                    while true { try await sink.write([UInt8](repeating: 1, count: 64 * 1024)) }
                } catch {
                    failed.set()
                    throw error
                }
            }
        }
        try await withServer(limits: Self.small { $0.keepAlive = .seconds(2) }, handler: handler) { server in
            let client = try await RawConnection.open(to: server.address, receiveBuffer: 16 * 1024)
            try await client.send(plainGet)
            #expect(await failed.wait() < .seconds(60))
            await client.close()
        }
    }

    @Test("a quiet stream is not cut by the keep-alive time")
    func quietStream() async throws {
        let handler: HTTPHandler = { _ in
            stream { sink in
                try await sink.write(Array("first".utf8))
                try await Task.sleep(for: .milliseconds(4500))
                try await sink.write(Array("second".utf8))
            }
        }
        try await withServer(limits: Self.small { $0.keepAlive = .seconds(2) }, handler: handler) { server in
            let client = try await RawConnection.open(to: server.address)
            try await client.send(plainGet)
            #expect(try await client.response().text == "firstsecond")
        }
    }

    @Test("one address gets no more than its share of connections, and gets one again when it gives one back")
    func connectionsOfOneAddress() async throws {
        let handler: HTTPHandler = { _ in text("here") }
        try await withServer(limits: Self.small { $0.connectionsPerAddress = 2 }, handler: handler) { server in
            let held = [try await RawConnection.open(to: server.address), try await RawConnection.open(to: server.address)]
            for client in held {
                try await client.send(plainGet)
                #expect(try await client.response().text == "here")
            }
            let third = try await RawConnection.open(to: server.address)
            #expect(try await third.rest(within: 5).isEmpty)
            await held[0].close()
            let end = ContinuousClock.now + .seconds(10)
            var answer: String?
            while answer == nil, ContinuousClock.now < end {
                let again = try await RawConnection.open(to: server.address)
                answer = try? await {
                    try await again.send(plainGet)
                    return try await again.response(within: 1).text
                }()
                await again.close()
            }
            #expect(answer == "here")
        }
    }
}
