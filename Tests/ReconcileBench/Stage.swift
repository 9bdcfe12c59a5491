import Model
import Synchronization

/// An engine that lists what it was given and does nothing.
struct StillEngine: ContainerReading {
    let all: [ContainerFacts]

    func containers() async throws -> [ContainerFacts] { all }
    func containers(of workspace: WorkspaceID) async throws -> [ContainerFacts] { [] }
    func container(_ id: String) async throws -> ContainerFacts? { nil }
    func volumes(of workspace: WorkspaceID) async throws -> [String] { [] }

    func logs(of containerID: String, _ options: LogOptions) async throws -> AsyncThrowingStream<LogChunk, any Error> {
        AsyncThrowingStream { $0.finish() }
    }

    func events(since: Timestamp?) async throws -> AsyncThrowingStream<ContainerEvent, any Error> { AsyncThrowingStream { $0.finish() } }
}

/// Rows in memory.
struct StillRecords: WorkspaceReading {
    let rows: [Workspace]

    func workspace(_ id: WorkspaceID) async throws -> Workspace? { nil }
    func liveWorkspaces() async throws -> [Workspace] { rows }
    func liveDescendants(of id: WorkspaceID) async throws -> [Workspace] { [] }
    func workspacesPendingCleanup() async throws -> [Workspace] { [] }
}

/// Takes every action and carries out none.
final class Counter: WorkspaceReconciling, WorkspaceWaking {
    private let actions = Mutex<[ReconcileAction]>([])

    /// What was asked for since the last question.
    func taken() -> [ReconcileAction] {
        actions.withLock { actions in
            defer { actions = [] }
            return actions
        }
    }

    func inFlight() -> Set<WorkspaceID> { [] }
    func carryOut(_ action: ReconcileAction) async { actions.withLock { $0.append(action) } }
    func wake(_ id: WorkspaceID) async {}
    func workBegan(on id: WorkspaceID) {}
    func workEnded(on id: WorkspaceID) {}
    func atWork() -> Set<WorkspaceID> { [] }
}

struct NoTemplates: TemplateSource {
    func catalog() async -> TemplateCatalog { TemplateCatalog(templates: [], broken: [:]) }
}

/// Nothing here is worth a line unless it is wrong, and then the program ends.
struct NoLog: LogSink {
    func log(_ level: LogLevel, _ message: String, _ fields: [(String, String)]) {}
}

struct StandingClock: TimeSource {
    let time: Timestamp

    func now() -> Timestamp { time }
    func sleep(for duration: Duration) async throws { try await Task.sleep(for: duration) }
}
