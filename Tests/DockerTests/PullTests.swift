import Model
import Synchronization
import TestSupport
import Testing

@testable import Docker

@Suite("Pulls")
struct PullTests {
    private static func line(_ json: JSONValue) -> StubEngineSocket.Reply.Step { .bytes(json.bytes + Array("\r\n".utf8)) }

    private static func downloading(_ current: Int) -> StubEngineSocket.Reply.Step {
        line(["status": "Downloading", "id": "a", "progressDetail": ["current": .int(current), "total": 100]])
    }

    private static func pulling(_ steps: [StubEngineSocket.Reply.Step])
        -> @Sendable (StubEngineSocket.Call, String) -> StubEngineSocket.Reply
    {
        { _, path in
            path == "/images/create" ? StubEngineSocket.Reply(200, steps: steps) : StubEngineSocket.Reply(200, json: ["Id": "sha256:1"])
        }
    }

    @Test("a slow pull that keeps moving is never cut, and its progress is told")
    func slowPull() async throws {
        let steps = (1...15).flatMap { [Self.downloading($0 * 5), .pause(milliseconds: 100)] }
        let stubbed = try StubbedEngine(
            settings: EngineSettings(callDeadline: .milliseconds(200), pullStall: .seconds(1)), answer: Self.pulling(steps))
        defer { stubbed.stub.stop() }
        let seen = Mutex<[Int64]>([])
        try await stubbed.engine.pull("x:1") { progress in seen.withLock { $0.append(progress.doneBytes) } }
        #expect(seen.withLock { $0 } == (1...15).map { Int64($0 * 5) })
    }

    @Test("a pull that stands still is cut")
    func stalledPull() async throws {
        let stubbed = try StubbedEngine(
            settings: EngineSettings(pullStall: .milliseconds(300)), answer: Self.pulling([Self.downloading(5), .silence]))
        defer { stubbed.stub.stop() }
        let error = try await backendError { try await stubbed.engine.pull("x:1") { _ in } }
        #expect(error.code == .pullStalled && error.kind == .failed)
        try await eventually { stubbed.stub.hangUps == 1 }
    }

    @Test(
        "an error line in the middle of the stream is a failure, though the status was 200",
        arguments: [(nil, .pullFailed), (401, .pullDenied), (404, .imageNotFound)] as [(Int?, ErrorCode)])
    func errorLine(registryStatus: Int?, code: ErrorCode) async throws {
        var detail: JSONValue = ["message": "unexpected EOF from 10.1.2.3"]
        if let registryStatus { detail = ["code": .int(registryStatus), "message": "unexpected EOF from 10.1.2.3"] }
        let steps = [Self.downloading(5), Self.line(["errorDetail": detail, "error": "unexpected EOF from 10.1.2.3"])]
        let stubbed = try StubbedEngine(answer: Self.pulling(steps))
        defer { stubbed.stub.stop() }
        let error = try await backendError { try await stubbed.engine.pull("x:1") { _ in } }
        #expect(error.code == code && !error.message.contains("10.1.2.3"))
        #expect(stubbed.log.text.contains("10.1.2.3"))
    }

    @Test("a pull that breaks off is a failure of the engine, not a pulled image")
    func brokenPull() async throws {
        let stubbed = try StubbedEngine(answer: Self.pulling([Self.downloading(5), .cut]))
        defer { stubbed.stub.stop() }
        #expect(try await backendError { try await stubbed.engine.pull("x:1") { _ in } }.kind == .unavailable)
    }

    @Test("a pull that ends well without an image is a failure")
    func emptyPull() async throws {
        let stubbed = try StubbedEngine { _, path in StubEngineSocket.Reply(path == "/images/create" ? 200 : 404) }
        defer { stubbed.stub.stop() }
        #expect(try await backendError { try await stubbed.engine.pull("x:1") { _ in } }.code == .pullFailed)
    }

    @Test("a cancelled pull ends at once, and the engine sees the hang-up")
    func cancelledPull() async throws {
        let stubbed = try StubbedEngine(answer: Self.pulling([Self.downloading(5), .silence]))
        defer { stubbed.stub.stop() }
        let engine = stubbed.engine
        let (moved, signal) = AsyncStream<Void>.makeStream()
        let pull = Task { try await engine.pull("x:1") { _ in signal.yield() } }
        for await _ in moved { break }
        pull.cancel()
        await #expect(throws: CancellationError.self) { try await pull.value }
        try await eventually { stubbed.stub.hangUps == 1 }
    }

    @Test("credentials go to their registry only, and the platform goes along")
    func credentials() async throws {
        let stubbed = try StubbedEngine(
            settings: EngineSettings(platform: "linux/amd64"), logins: OneLogin(registry: "ghcr.io", user: "u", password: "t"),
            answer: Self.pulling([]))
        defer { stubbed.stub.stop() }
        try await stubbed.engine.pull("ghcr.io/team/x") { _ in }
        try await stubbed.engine.pull("elsewhere.example/team/x:2") { _ in }
        let pulls = stubbed.stub.calls.filter { $0.path.hasSuffix("/images/create") }
        #expect(pulls.map { $0.headers["X-Registry-Auth"] != nil } == [true, false])
        #expect(pulls.map { $0.query["tag"] } == ["latest", "2"] && pulls.allSatisfy { $0.query["platform"] == "linux/amd64" })
    }
}
