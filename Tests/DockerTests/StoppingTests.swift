import HTTP
import Model
import Synchronization
import TestSupport
import Testing

@testable import Docker

@Suite("Stopping a container")
struct StoppingTests {
    typealias Reply = StubEngineSocket.Reply

    /// An engine whose container `c` is in `state`, and that answers a stop with what `stops` has next.
    private static func engine(
        _ state: String?, startedAt: Timestamp = Timestamp(seconds: 0), stops: [Int], settings: EngineSettings = EngineSettings()
    ) throws -> StubbedEngine {
        let left = Mutex(stops)
        return try StubbedEngine(settings: settings) { _, path in
            switch path {
            case "/containers/c/json":
                guard let state else { return Reply(404, json: [:]) }
                return Reply(200, json: ["Id": "c", "State": ["Status": .string(state), "StartedAt": .string(startedAt.rfc3339)]])
            case "/containers/c/unpause": return Reply(204)
            default: return Reply(left.withLock { $0.isEmpty ? 599 : $0.removeFirst() }, json: ["message": "state improper"])
            }
        }
    }

    private func paths(_ stubbed: StubbedEngine) -> [String] {
        stubbed.versioned.map { String($0.dropFirst("/v1.41/containers/c/".count)) }
    }

    @Test("the grace is passed on in whole seconds, never too few", arguments: [(0, "0"), (1, "1"), (1000, "1"), (1001, "2"), (-5, "0")])
    func wholeSeconds(milliseconds: Int, seconds: String) async throws {
        let stubbed = try Self.engine("running", stops: [204])
        defer { stubbed.stub.stop() }
        try await stubbed.engine.stop("c", grace: .milliseconds(milliseconds))
        #expect(stubbed.stub.calls.last?.query["t"] == seconds && stubbed.stub.calls.last?.method == "POST")
    }

    @Test("one that does not run, or is gone, is success", arguments: [304, 404])
    func nothingToStop(status: Int) async throws {
        let stubbed = try Self.engine(status == 404 ? nil : "exited", stops: [status])
        defer { stubbed.stub.stop() }
        try await stubbed.engine.stop("c", grace: .seconds(10))
        #expect(paths(stubbed) == ["json", "stop"])
    }

    @Test("a paused container that the engine does not stop is woken first", arguments: [409, 500])
    func paused(status: Int) async throws {
        let stubbed = try Self.engine("paused", stops: [status, 204])
        defer { stubbed.stub.stop() }
        try await stubbed.engine.stop("c", grace: .seconds(10))
        #expect(paths(stubbed) == ["json", "stop", "json", "unpause", "stop"])
    }

    @Test("a refused stop of what has ended meanwhile is success", arguments: ["exited", "dead", "created", "removing", nil])
    func ended(state: String?) async throws {
        let stubbed = try Self.engine(state, stops: [500])
        defer { stubbed.stub.stop() }
        try await stubbed.engine.stop("c", grace: .seconds(10))
        #expect(paths(stubbed) == ["json", "stop", "json"])
    }

    @Test("a refused stop of what still runs is an error, and not tried again", arguments: ["running", "restarting", "odd"])
    func refused(state: String) async throws {
        let stubbed = try Self.engine(state, stops: [500, 204])
        defer { stubbed.stub.stop() }
        let error = try await backendError { try await stubbed.engine.stop("c", grace: .seconds(10)) }
        #expect(error.code == .stopFailed && error.kind == .failed && !error.message.contains("improper"))
        #expect(paths(stubbed) == ["json", "stop", "json"])
    }

    @Test("the engine may take the grace on top of its own time; without grace it may not")
    func deadline() async throws {
        let settings = EngineSettings(createDeadline: .milliseconds(50))
        let stubbed = try StubbedEngine(settings: settings) { _, path in
            path.hasSuffix("/json") ? Reply(404, json: [:]) : Reply(404, steps: [.pause(milliseconds: 300), .bytes([0x0A])])
        }
        defer { stubbed.stub.stop() }
        let error = try await backendError { try await stubbed.engine.client.performStop(grace: .zero) }
        #expect(error.code == .engineTimeout && error.kind == .unavailable)
        try await stubbed.engine.client.performStop(grace: .seconds(60))
    }

    @Test("an engine that goes away in the middle of a stop proves nothing")
    func engineGone() async throws {
        let stubbed = try StubbedEngine { _, path in path.hasSuffix("/json") ? Reply(404, json: [:]) : .nothing }
        let engine = stubbed.engine
        let stop = Task { try await backendError { try await engine.stop("c", grace: .seconds(60)) } }
        try await eventually { stubbed.stub.calls.contains { $0.path.hasSuffix("/stop") } }
        stubbed.stub.stop()
        #expect(try await stop.value.kind == .unavailable)
    }

    @Test("one that was started 40 ms ago is given 60 ms more, so that its init has a handler for the signal")
    func young() async throws {
        let stubbed = try Self.engine("running", startedAt: ManualClock().now() + .milliseconds(-40), stops: [204])
        defer { stubbed.stub.stop() }
        let engine = stubbed.engine
        let stop = Task { try await engine.stop("c", grace: .seconds(10)) }
        try await eventually { stubbed.clock.sleeperCount == 1 }
        stubbed.clock.advance(by: .milliseconds(59))
        #expect(stubbed.clock.sleeperCount == 1 && paths(stubbed) == ["json"])
        stubbed.clock.advance(by: .milliseconds(1))
        try await stop.value
        #expect(paths(stubbed) == ["json", "stop"])
    }

    @Test("a start in the future, of a clock that was set back, is waited for no longer than 100 ms")
    func future() async throws {
        let stubbed = try Self.engine("running", startedAt: ManualClock().now() + .seconds(3600), stops: [204])
        defer { stubbed.stub.stop() }
        let engine = stubbed.engine
        let stop = Task { try await engine.stop("c", grace: .seconds(10)) }
        try await eventually { stubbed.clock.sleeperCount == 1 }
        stubbed.clock.advance(by: .milliseconds(100))
        try await stop.value
    }

    @Test("a stop without grace, and one of what does not run, wait for nothing")
    func noWait() async throws {
        let now = ManualClock().now()
        let stubbed = try Self.engine("running", startedAt: now, stops: [204])
        defer { stubbed.stub.stop() }
        try await stubbed.engine.stop("c", grace: .zero)
        #expect(paths(stubbed) == ["stop"])
        let restarting = try Self.engine("restarting", startedAt: now, stops: [204])
        defer { restarting.stub.stop() }
        try await restarting.engine.stop("c", grace: .seconds(1))
        #expect(paths(restarting) == ["json", "stop"])
    }

    @Test("a start that fails is tried once, and a container stuck in the engine is no exception")
    func stuckStart() async throws {
        let stubbed = try StubbedEngine { call, path in
            call.method == "POST"
                ? Reply(500, json: ["message": "task c: already exists"]) : Reply(200, json: ["DockerRootDir": "/d", "NCPU": 2])
        }
        defer { stubbed.stub.stop() }
        let error = try await backendError { try await stubbed.engine.start("c") }
        #expect(error.code == .startFailed && error.kind == .failed && !error.message.contains("task"))
        #expect(stubbed.versioned.count { $0.hasSuffix("/start") } == 1)
    }

    @Test("ports that other programs hold are passed: the engine is asked until it finds a free one, and not for ever")
    func takenPorts() async throws {
        let left = Mutex(2)
        let stubbed = try StubbedEngine { call, _ in
            guard call.method == "POST" else { return Reply(200, json: ["DockerRootDir": "/d"]) }
            let isTaken = left.withLock { left in
                left -= 1
                return left >= 0
            }
            return isTaken
                ? Reply(500, json: ["message": "listen tcp4 127.0.0.1:32777: bind: address already in use"]) : Reply(204, json: [:])
        }
        defer { stubbed.stub.stop() }
        try await stubbed.engine.start("c")
        #expect(stubbed.versioned.count { $0.hasSuffix("/start") } == 3)
        left.withLock { $0 = .max }
        #expect(try await backendError { try await stubbed.engine.start("c") }.code == .startFailed)
        #expect(stubbed.versioned.count { $0.hasSuffix("/start") } == 43)
    }

    @Test("a paused container is not started")
    func startPaused() async throws {
        let stubbed = try StubbedEngine { _, _ in Reply(409, json: ["message": "cannot start a paused container"]) }
        defer { stubbed.stub.stop() }
        let error = try await backendError { try await stubbed.engine.start("c") }
        #expect(error.code == .startFailed && error.kind == .conflict)
    }
}

extension EngineClient {
    /// A stop of `c`, with its failure explained.
    fileprivate func performStop(grace: Duration) async throws {
        let stop = ContainerStop(id: "c", grace: grace)
        do {
            try await perform(stop)
        } catch let error as EngineError {
            throw BackendError(error, meaning: stop.meaning)
        }
    }
}
