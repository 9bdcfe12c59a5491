import Glibc
import HTTP
import HTTPServer
import Synchronization
import Testing

/// Runs a server on a free port for the length of `body`.
func withServer(
    limits: ListenerLimits = ListenerLimits(), on address: BoundAddress = .tcp(host: "127.0.0.1", port: 0),
    handler: @escaping HTTPHandler, _ body: (MicroHTTPServer) async throws -> Void
) async throws {
    let server = try MicroHTTPServer.start(on: address, limits: limits, threads: 2, handler: handler)
    do {
        try await body(server)
    } catch {
        await server.stop(grace: .zero)
        throw error
    }
    await server.stop(grace: .zero)
}

func text(_ text: String, status: Int = 200) -> Response {
    Response(status: status, headers: ["Content-Type": "text/plain"], body: .bytes(Array(text.utf8)))
}

func stream(_ produce: @escaping @Sendable (any ByteSink) async throws -> Void) -> Response {
    Response(status: 200, headers: ["Content-Type": "text/event-stream"], body: .stream(length: nil, produce))
}

let plainGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

/// Something that happens once in a server and that a test waits for.
final class Fact: Sendable {
    private let happened = AsyncStream<Void>.makeStream()

    func set() { happened.continuation.yield() }

    /// How long it took, at most the suite's time limit.
    @discardableResult
    func wait() async -> Duration {
        let start = ContinuousClock.now
        for await _ in happened.stream { break }
        return ContinuousClock.now - start
    }
}

/// A count that server and test share.
final class Count: Sendable {
    private let state = Mutex(0)

    var value: Int { state.withLock { $0 } }
    func add(_ amount: Int = 1) { state.withLock { $0 += amount } }

    /// Its value once it has not moved for a while.
    func settled() async throws -> Int {
        var last = -1
        while last != value {
            last = value
            try await Task.sleep(for: .milliseconds(200))
        }
        return last
    }
}

/// A path for a socket in a directory of its own, removed afterwards.
func withSocketPath(_ body: (String) async throws -> Void) async throws {
    var template = Array("/tmp/berth-http-XXXXXX".utf8CString)
    let directory = try #require(mkdtemp(&template)).withMemoryRebound(to: CChar.self, capacity: 1) { String(cString: $0) }
    defer {
        unlink(directory + "/s")
        rmdir(directory)
    }
    try await body(directory + "/s")
}
