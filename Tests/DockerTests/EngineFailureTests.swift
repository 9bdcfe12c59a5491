import HTTP
import HTTPClient
import Model
import Synchronization
import TestSupport
import Testing

@testable import Docker

@Suite("Failures of the engine are told apart by endpoint and status")
struct EngineFailureTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let call: @Sendable (LocalEngine) async throws -> Void
        let status: Int
        let code: ErrorCode
        let kind: BackendError.Kind
        let name: String
        var testDescription: String { "\(name) \(status) is \(code.rawValue)" }
    }

    private static let labels = (try? sampleWorkspace()).map { WorkspaceLabels(workspace: $0) }

    private static let cases: [Case] = {
        func expect(
            _ name: String, _ call: @escaping @Sendable (LocalEngine) async throws -> Void, _ table: [(Int, ErrorCode, BackendError.Kind)]
        )
            -> [Case]
        { table.map { Case(call: call, status: $0.0, code: $0.1, kind: $0.2, name: name) } }
        return expect(
            "create", { _ = try await $0.createContainer(try sampleSpec()) },
            [
                (400, .engineRequestInvalid, .refused), (404, .imageNotFound, .missing), (409, .nameConflict, .conflict),
                (500, .engineError, .failed),
            ])
            + expect(
                "start", { try await $0.start("gone") },
                [(400, .commandNotFound, .refused), (404, .containerMissing, .missing), (500, .startFailed, .failed)])
            + expect(
                "start with its container there", { try await $0.start("here") },
                [(404, .networkMissing, .missing)])
            + expect(
                "copy", { try await $0.copy([ContainerFile(path: "a", bytes: [])], into: "here", at: "/configs") },
                [(403, .copyFailed, .refused), (404, .pathMissing, .missing), (500, .copyFailed, .failed)])
            + expect(
                "copy to nobody", { try await $0.copy([ContainerFile(path: "a", bytes: [])], into: "gone", at: "/") },
                [(404, .containerMissing, .missing)])
            + expect("remove", { try await $0.removeContainer("here") }, [(500, .stopFailed, .failed)])
            + expect("volume remove", { try await $0.removeVolume("v") }, [(409, .volumeInUse, .conflict), (500, .engineError, .failed)])
            + expect("volume create", { try await $0.createVolume("v", labels: try #require(Self.labels)) }, [(500, .engineError, .failed)])
            + expect(
                "network", { _ = try await $0.ensureNetwork() },
                [(403, .engineError, .refused), (404, .engineError, .refused), (500, .engineError, .failed)])
            + expect("list", { _ = try await $0.containers() }, [(500, .engineError, .failed), (400, .engineError, .refused)])
            + expect("events", { _ = try await $0.events(since: nil) }, [(500, .engineError, .failed)])
            + expect(
                "pull", { try await $0.pull("ghcr.io/x:1") { _ in } },
                [
                    (400, .engineRequestInvalid, .refused), (401, .pullDenied, .refused), (404, .imageNotFound, .missing),
                    (500, .pullFailed, .failed),
                ])
    }()

    /// Refuses everything with `status`, but knows the container `here`.
    private static func refusing(_ status: Int) -> @Sendable (StubEngineSocket.Call, String) -> StubEngineSocket.Reply {
        { call, path in
            if call.method == "GET", path == "/containers/here/json" { return StubEngineSocket.Reply(200, json: ["Id": "here"]) }
            if call.method == "GET", path.hasPrefix("/containers/"), path.hasSuffix("/json"), path != "/containers/json" {
                return StubEngineSocket.Reply(404, json: ["message": "x"])
            }
            if path == "/networks" { return StubEngineSocket.Reply(200, json: []) }
            return StubEngineSocket.Reply(status, json: ["message": "driver said: overlay2 /var/lib/docker is unhappy"])
        }
    }

    @Test("each case", arguments: cases)
    func mapping(_ expected: Case) async throws {
        let stubbed = try StubbedEngine(answer: Self.refusing(expected.status))
        defer { stubbed.stub.stop() }
        let error = try await backendError { try await expected.call(stubbed.engine) }
        #expect(error.code == expected.code && error.kind == expected.kind)
        #expect(!error.message.contains("overlay2") && error.next?.contains("overlay2") != true, "a client never sees the driver's words")
        #expect(stubbed.log.text.contains("overlay2"), "the log has them")
    }

    @Test("a failing engine whose disk is full is told from others by its disk, not by its words")
    func diskFull() async throws {
        let asked = Mutex<[String]>([])
        let stubbed = try StubbedEngine(
            freeBytes: { path in
                asked.withLock { $0.append(path) }
                return 4096
            },
            answer: { call, path in
                path == "/info"
                    ? StubEngineSocket.Reply(200, json: ["DockerRootDir": "/data/docker", "NCPU": 2]) : Self.refusing(500)(call, path)
            })
        defer { stubbed.stub.stop() }
        let engine = stubbed.engine
        let file = ContainerFile(path: "a", bytes: [1])
        #expect(try await backendError { try await engine.copy([file], into: "here", at: "/configs") }.code == .diskFull)
        #expect(try await backendError { _ = try await engine.createContainer(try sampleSpec()) }.code == .diskFull)
        #expect(try await backendError { try await engine.start("here") }.code == .diskFull)
        #expect(try await backendError { try await engine.pull("x") { _ in } }.code == .diskFull)
        #expect(asked.withLock { $0 } == Array(repeating: "/data/docker", count: 4))
    }

    @Test("a copy larger than what is left is a full disk")
    func diskTooSmall() async throws {
        let stubbed = try StubbedEngine(
            freeBytes: { _ in 5 << 20 },
            answer: { call, path in
                path == "/info" ? StubEngineSocket.Reply(200, json: ["DockerRootDir": "/d"]) : Self.refusing(500)(call, path)
            })
        defer { stubbed.stub.stop() }
        let large = ContainerFile(path: "a", bytes: [UInt8](repeating: 0, count: 6 << 20))
        #expect(try await backendError { try await stubbed.engine.copy([large], into: "here", at: "/c") }.code == .diskFull)
        let small = ContainerFile(path: "a", bytes: [1])
        #expect(try await backendError { try await stubbed.engine.copy([small], into: "here", at: "/c") }.code == .copyFailed)
    }

    @Test("no socket, no listener: the engine is unavailable, with the next step")
    func notThere() async throws {
        let stubbed = try StubbedEngine { _, _ in StubEngineSocket.Reply(500) }
        stubbed.stub.stop()
        let error = try await backendError { _ = try await stubbed.engine.probe() }
        #expect(error.code == .engineUnavailable && error.kind == .unavailable && error.next != nil)
        #expect(!error.message.contains(stubbed.stub.path), "the path of the host stays in the log")
    }

    private struct FailingTransport: HTTPTransport {
        let reason: TransportError.Reason
        func send(_ request: OutgoingRequest) async throws -> IncomingResponse { throw TransportError(reason, "/secret/path") }
    }

    @Test(
        "every way not to reach the engine proves nothing about it",
        arguments: [
            (.permissionDenied, .enginePermissionDenied), (.socketMissing, .engineUnavailable), (.connectionRefused, .engineUnavailable),
            (.connectionReset, .engineUnavailable), (.headTimeout, .engineTimeout), (.totalTimeout, .engineTimeout),
        ] as [(TransportError.Reason, ErrorCode)])
    func unreachable(reason: TransportError.Reason, code: ErrorCode) async throws {
        let engine = LocalEngine(
            settings: EngineSettings(), instance: try #require(StubbedEngine.instance), networkName: "n", logins: NoLogins(),
            transport: FailingTransport(reason: reason), clock: ManualClock(), log: RecordingLog())
        let error = try await backendError { _ = try await engine.containers() }
        #expect(error.code == code && error.kind == .unavailable && error.next != nil && !error.message.contains("/secret"))
        #expect(try await backendError { _ = try await engine.probe() }.code == code)
    }

    @Test("a cancelled call is a cancellation, not a failure of the engine")
    func cancelled() async throws {
        let engine = LocalEngine(
            settings: EngineSettings(), instance: try #require(StubbedEngine.instance), networkName: "n", logins: NoLogins(),
            transport: FailingTransport(reason: .cancelled), clock: ManualClock(), log: RecordingLog())
        await #expect(throws: CancellationError.self) { _ = try await engine.containers() }
    }

    @Test("an engine that does not answer in time is a timeout, and proves nothing")
    func timeout() async throws {
        let settings = EngineSettings(callDeadline: .milliseconds(150), createDeadline: .milliseconds(150), probeDeadline: .seconds(5))
        let stubbed = try StubbedEngine(settings: settings) { call, _ in
            call.method == "GET" ? StubEngineSocket.Reply(200, steps: [.silence]) : .nothing
        }
        defer { stubbed.stub.stop() }
        let error = try await backendError { _ = try await stubbed.engine.image("x") }
        #expect(error.code == .engineTimeout && error.kind == .unavailable)
        #expect(try await backendError { try await stubbed.engine.start("x") }.code == .engineTimeout)
    }

    @Test("an answer cut in the middle of its body is a lost engine, not an answer")
    func cutBody() async throws {
        let stubbed = try StubbedEngine { _, _ in StubEngineSocket.Reply(200, steps: [.bytes(Array("[{\"Id\":\"a\"}".utf8)), .cut]) }
        defer { stubbed.stub.stop() }
        #expect(try await backendError { _ = try await stubbed.engine.containers() }.kind == .unavailable)
    }

    @Test("an answer that is not what it should be is an engine error")
    func unreadable() async throws {
        let stubbed = try StubbedEngine { _, _ in .text(200, "<html>") }
        defer { stubbed.stub.stop() }
        #expect(try await backendError { _ = try await stubbed.engine.containers() }.code == .engineError)
    }

    @Test("files that would leave their directory are not sent")
    func leavingFiles() async throws {
        let stubbed = try StubbedEngine { _, _ in StubEngineSocket.Reply(200) }
        defer { stubbed.stub.stop() }
        let file = ContainerFile(path: "a/../../etc/passwd", bytes: [])
        #expect(try await backendError { try await stubbed.engine.copy([file], into: "c", at: "/configs") }.code == .copyFailed)
        #expect(stubbed.versioned.isEmpty)
    }
}
