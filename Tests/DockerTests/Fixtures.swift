import HTTP
import HTTPClient
import Model
import Synchronization
import TestSupport
import Testing

@testable import Docker

/// Keeps what was logged.
final class RecordingLog: LogSink {
    private let entries = Mutex<[String]>([])

    func log(_ level: LogLevel, _ message: String, _ fields: [(String, String)]) {
        entries.withLock { $0.append("\(level) \(message) " + fields.map { "\($0.0)=\($0.1)" }.joined(separator: " ")) }
    }

    var text: String { entries.withLock { $0.joined(separator: "\n") } }
}

/// A `LocalEngine` before a stub socket, over the real HTTP client.
struct StubbedEngine {
    let stub: StubEngineSocket
    let engine: LocalEngine
    let log = RecordingLog()
    let clock = ManualClock()

    static let instance = InstanceID("stub-instance")

    /// `answer` gets the path without its version; ping and version are answered as an engine of `newest` and `oldest` does.
    init(
        newest: String = "1.41", oldest: String = "1.12", settings: EngineSettings = EngineSettings(),
        logins: any RegistryLoginFinding = NoLogins(),
        freeBytes: @escaping @Sendable (String) -> Int64? = { _ in 1 << 40 },
        answer: @escaping @Sendable (StubEngineSocket.Call, String) -> StubEngineSocket.Reply
    ) throws {
        try self.init(settings: settings, logins: logins, freeBytes: freeBytes) { call in
            StubVersions(newest: newest, oldest: oldest).answer(call, else: answer)
        }
    }

    init(
        settings: EngineSettings, logins: any RegistryLoginFinding = NoLogins(),
        freeBytes: @escaping @Sendable (String) -> Int64? = { _ in 1 << 40 },
        raw answer: @escaping @Sendable (StubEngineSocket.Call) -> StubEngineSocket.Reply
    ) throws {
        stub = try StubEngineSocket(answer: answer)
        var settings = settings
        settings.socketPath = stub.path
        let instance = try #require(Self.instance)
        engine = LocalEngine(
            settings: settings, instance: instance, networkName: "berth-stub", logins: logins, transport: CurlTransport(),
            clock: clock, log: log,
            freeBytes: freeBytes)
    }

    /// Calls that carried a version.
    var versioned: [String] { stub.calls.map(\.path).filter { $0.hasPrefix("/v") && $0 != "/version" } }
}

/// Which versions a stub accepts, refused in the words of a real engine.
struct StubVersions {
    let newest: String
    let oldest: String

    func answer(
        _ call: StubEngineSocket.Call, else answer: (StubEngineSocket.Call, String) -> StubEngineSocket.Reply
    ) -> StubEngineSocket.Reply {
        switch call.path {
        case "/_ping": return .text(200, headers: ["Api-Version": newest], "OK")
        case "/version":
            return StubEngineSocket.Reply(
                200, json: ["Version": "stub", "ApiVersion": .string(newest), "MinAPIVersion": .string(oldest), "Os": "linux"])
        default: break
        }
        let parts = call.path.split(separator: "/", maxSplits: 1).map(String.init)
        guard parts.count == 2, let spoken = APIVersion(String(parts[0].dropFirst())), let newest = APIVersion(newest),
            let oldest = APIVersion(oldest)
        else { return .text(404, "page not found") }
        if spoken > newest {
            return StubEngineSocket.Reply(
                400, json: ["message": .string("client version \(spoken) is too new. Maximum supported API version is \(newest)")])
        }
        if spoken < oldest { return .text(400, "client version \(spoken) is too old. Minimum supported API version is \(oldest)") }
        return answer(call, "/" + parts[1])
    }
}

/// Runs `body` and returns the `BackendError` it throws.
func backendError(_ body: () async throws -> Void) async throws -> BackendError {
    do {
        try await body()
    } catch let error as BackendError {
        return error
    }
    throw ContractBreach("an error is thrown")
}

/// Waits until `fact` holds, looking again as other work gets done. Fails after 10 s.
func eventually(_ fact: () -> Bool) async throws {
    let clock = ContinuousClock()
    let deadline = clock.now + .seconds(10)
    while !fact() {
        guard clock.now < deadline else { throw ContractBreach("it came true in time") }
        try await clock.sleep(for: .milliseconds(2))
    }
}

func sampleWorkspace() throws -> Workspace {
    let id = try #require(WorkspaceID("11111111-2222-4333-8444-555555555555"))
    return Workspace(id: id, name: "Sample", runtime: "echo", condition: .init(.provisioning), createdAt: Timestamp(seconds: 0))
}

func sampleSpec() throws -> ContainerSpec {
    ContainerSpec(name: "ws-sample", image: "img:1", labels: WorkspaceLabels(workspace: try sampleWorkspace()))
}
