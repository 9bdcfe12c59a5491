import Glibc
import HTTP
import HTTPServer
import TestSupport
import Testing

private func expect(_ body: String, from address: BoundAddress) async throws {
    let client = try await RawConnection.open(to: address)
    try await client.send(plainGet)
    #expect(try await client.response().text == body)
}

@Suite("A server's start and stop", .timeLimit(.minutes(1)))
struct ServerStopTests {
    private static let greeting: HTTPHandler = { _ in text("hello") }
    private static let freePort = BoundAddress.tcp(host: "127.0.0.1", port: 0)

    // MARK: Starting

    @Test("port 0 is answered with the real port")
    func anyPort() async throws {
        try await withServer(handler: Self.greeting) { server in
            #expect(server.address != Self.freePort)
            try await expect("hello", from: server.address)
        }
    }

    @Test("two servers serve at once, each with its own handler, and one of them survives the other")
    func twoServers() async throws {
        let other: HTTPHandler = { _ in text("other") }
        try await withServer(handler: Self.greeting) { first in
            try await withServer(handler: other) { second in
                try await expect("hello", from: first.address)
                try await expect("other", from: second.address)
            }
            try await expect("hello", from: first.address)
        }
    }

    @Test("a port that is taken says so")
    func portTaken() async throws {
        try await withServer(handler: Self.greeting) { server in
            let error = #expect(throws: ListenError.self) { try MicroHTTPServer.start(on: server.address, handler: Self.greeting) }
            #expect(error?.reason == .addressInUse)
        }
    }

    @Test("an address that is not this machine's says so")
    func foreignAddress() {
        let error = #expect(throws: ListenError.self) {
            try MicroHTTPServer.start(on: .tcp(host: "192.0.2.1", port: 0), handler: Self.greeting)
        }
        #expect(error?.reason == .addressNotAvailable)
    }

    @Test("one thread serves as well")
    func oneThread() async throws {
        let server = try MicroHTTPServer.start(on: Self.freePort, threads: 1, handler: Self.greeting)
        try await expect("hello", from: server.address)
        await server.stop(grace: .zero)
    }

    // MARK: Unix sockets

    @Test("a unix socket is for its owner alone, serves, and is gone after the stop")
    func unixSocket() async throws {
        try await withSocketPath { path in
            try await withServer(on: .unix(path: path), handler: Self.greeting) { server in
                var status = stat()
                #expect(lstat(path, &status) == 0)
                #expect(status.st_mode & 0o777 == 0o600)
                try await expect("hello", from: server.address)
            }
            #expect(access(path, F_OK) != 0)
        }
    }

    @Test("a socket file that nobody answers on is replaced; one that is answered on is not, nor is another file")
    func staleSocket() async throws {
        try await withSocketPath { path in
            let old = try MicroHTTPServer.start(on: .unix(path: path), handler: Self.greeting)
            let error = #expect(throws: ListenError.self) { try MicroHTTPServer.start(on: .unix(path: path), handler: Self.greeting) }
            #expect(error?.reason == .addressInUse)
            try await expect("hello", from: old.address)
            // A link keeps the file when its owner removes the name: what a crash leaves behind.
            #expect(link(path, path + "2") == 0)
            await old.stop(grace: .zero)
            #expect(rename(path + "2", path) == 0)
            try await withServer(on: .unix(path: path), handler: Self.greeting) { server in
                try await expect("hello", from: server.address)
            }
            let file = open(path, O_CREAT | O_WRONLY, 0o600)
            close(file)
            let refused = #expect(throws: ListenError.self) { try MicroHTTPServer.start(on: .unix(path: path), handler: Self.greeting) }
            #expect(refused?.reason == .addressInUse)
            #expect(access(path, F_OK) == 0)
        }
    }

    // MARK: Stopping

    @Test("a stop lets the request in flight finish, closes the idle connection at once and accepts nothing more")
    func drain() async throws {
        let started = Fact()
        let go = Fact()
        let handler: HTTPHandler = { request in
            guard request.path == "/slow" else { return text("quick") }
            started.set()
            await go.wait()
            return text("finished")
        }
        let server = try MicroHTTPServer.start(on: Self.freePort, handler: handler)
        let idle = try await RawConnection.open(to: server.address)
        try await idle.send(plainGet)
        #expect(try await idle.response().text == "quick")
        let busy = try await RawConnection.open(to: server.address)
        try await busy.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        await started.wait()
        async let stopped: Void = server.stop(grace: .seconds(30))
        #expect(try await idle.rest().isEmpty)
        await #expect(throws: RawConnection.Failure.self) { try await RawConnection.open(to: server.address) }
        go.set()
        let response = try await busy.response()
        #expect(response.text == "finished")
        #expect(response.headers["Connection"] == "close")
        await stopped
    }

    @Test("when the grace is over, waiting handlers, held uploads and open streams are cut and cancelled")
    func cut() async throws {
        let started = [Fact(), Fact(), Fact()]
        let cancelled = [Fact(), Fact(), Fact()]
        let handler: HTTPHandler = { request in
            let index = Int(request.path.dropFirst()) ?? 0
            let wait: @Sendable () async -> Void = {
                started[index].set()
                do { try await Task.sleep(for: .seconds(50)) } catch { cancelled[index].set() }
            }
            if index == 2 { return stream { _ in await wait() } }
            await wait()
            return text("late")
        }
        let server = try MicroHTTPServer.start(on: Self.freePort, handler: handler)
        var clients: [RawConnection] = []
        for index in 0..<3 {
            let client = try await RawConnection.open(to: server.address)
            if index == 1 {
                try await client.send("POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n")
                _ = try await client.sendUntilBlocked([UInt8](repeating: 1, count: 900_000))
            } else {
                try await client.send("GET /\(index) HTTP/1.1\r\nHost: h\r\n\r\n")
            }
            await started[index].wait()
            clients.append(client)
        }
        let start = ContinuousClock.now
        await server.stop(grace: .milliseconds(200))
        #expect(ContinuousClock.now - start < .seconds(30))
        for fact in cancelled { await fact.wait() }
        for client in clients { _ = try await client.rest() }
    }

    @Test("stopping twice, at once or later, is stopping once")
    func stopTwice() async throws {
        let server = try MicroHTTPServer.start(on: Self.freePort, handler: Self.greeting)
        async let first: Void = server.stop(grace: .zero)
        async let second: Void = server.stop(grace: .zero)
        _ = await (first, second)
        await server.stop(grace: .zero)
    }

    @Test("a server under load stops cleanly, again and again")
    func stopUnderLoad() async throws {
        let handler: HTTPHandler = { request in
            if request.path == "/stream" {
                return stream { sink in while true { try await sink.write(ServerSentEvent.keepAlive) } }
            }
            try? await Task.sleep(for: .milliseconds(1))
            return text("x")
        }
        for _ in 0..<5 {
            let server = try MicroHTTPServer.start(on: Self.freePort, handler: handler)
            await withTaskGroup { group in
                for index in 0..<20 {
                    group.addTask {
                        guard let client = try? await RawConnection.open(to: server.address) else { return }
                        try? await client.send("GET /\(index % 4 == 0 ? "stream" : "x") HTTP/1.1\r\nHost: h\r\n\r\n")
                        if index % 5 == 0 { return await client.close() }
                        _ = try? await client.rest(within: 5)
                    }
                }
                group.addTask { await server.stop(grace: .milliseconds(30)) }
            }
        }
    }
}
