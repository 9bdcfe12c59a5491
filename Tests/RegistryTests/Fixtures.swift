import Model
import Synchronization
import TestSupport

/// An engine that only reads, and can be away.
final class ContainerShelf: ContainerReading {
    private let shelf: Mutex<[ContainerFacts]?>

    init(_ containers: [ContainerFacts] = []) { shelf = Mutex(containers) }

    func put(_ containers: [ContainerFacts]) { shelf.withLock { $0 = containers } }
    func goAway() { shelf.withLock { $0 = nil } }

    func containers() async throws -> [ContainerFacts] {
        guard let containers = shelf.withLock({ $0 }) else { throw BackendError(.unavailable, .engineUnavailable, "no engine") }
        return containers
    }

    func containers(of workspace: WorkspaceID) async throws -> [ContainerFacts] {
        try await containers().filter { $0.labels[WorkspaceLabels.workspaceID] == workspace.text }
    }

    func container(_ id: String) async throws -> ContainerFacts? { try await containers().first { $0.id == id } }
    func volumes(of workspace: WorkspaceID) async throws -> [String] { [] }
    func logs(of containerID: String, _ options: LogOptions) async throws -> AsyncThrowingStream<LogChunk, any Error> {
        .init { $0.finish() }
    }
    func events(since: Timestamp?) async throws -> AsyncThrowingStream<ContainerEvent, any Error> { .init { $0.finish() } }
}

/// Keeps what was published.
final class PublishedEvents: EventPublishing {
    private let list = Mutex<[WorkspaceEvent]>([])

    var all: [WorkspaceEvent] { list.withLock { $0 } }
    func publish(_ events: [WorkspaceEvent]) { list.withLock { $0 += events } }
}

/// Rows and containers as tests name them.
enum Sample {
    static let id = sampleID(1)

    static func sampleID(_ number: Int) -> WorkspaceID {
        let digits = String(number)
        let text = "00000000-0000-4000-8000-" + String(repeating: "0", count: 12 - digits.count) + digits
        guard let id = WorkspaceID(text) else { preconditionFailure("\(text) is a UUID") }
        return id
    }

    static func workspace(
        _ number: Int = 1, _ status: WorkspaceStatus = .online, cause: ConditionCause? = nil, parent: Int? = nil, url: String? = nil,
        external: Bool = false
    ) -> Workspace {
        var row = Workspace(
            id: sampleID(number), name: "ws\(number)", runtime: external ? "external" : "echo",
            condition: WorkspaceCondition(status, cause),
            createdAt: Timestamp(seconds: 0))
        row.generation = 1
        row.parentID = parent.map(sampleID)
        row.url = url
        row.external = external
        return row
    }

    static func container(of number: Int = 1, generation: Int = 1, agentURL: String? = "http://127.0.0.1:40001") -> ContainerFacts {
        let id = "0123456789abcdef" + String(repeating: "0", count: 48)
        let labels = [WorkspaceLabels.workspaceID: sampleID(number).text, WorkspaceLabels.generation: String(generation)]
        var facts = ContainerFacts(id: id, name: "/ws-\(sampleID(number).prefix12)", labels: labels, state: .running)
        facts.hostname = "agent-host"
        facts.addresses = ["172.20.0.5"]
        facts.agentURL = agentURL
        return facts
    }
}

extension FakeRecords {
    /// A row as a test starts with it, and the token that speaks for it.
    func add(_ workspace: Workspace, token: String? = nil) {
        arrange(workspace, token: token.map { TokenDigest(hash: FakeTokens().hash($0), prefix: String($0.prefix(8))) })
    }

    /// Every stored event of `Sample.id`, by kind.
    var events: [EventKind] { history(of: Sample.id).map(\.kind) }
}
