import Model
import Secrets
import Store
import TestSupport
import Testing

/// Whatever keeps a store's promises: the databases, and the records in memory that other suites are tested on.
enum RecordsKind: Sendable, CustomTestStringConvertible {
    case database(DatabaseKind)
    case memory

    static let present: [RecordsKind] = DatabaseKind.present.map { .database($0) } + [.memory]

    var testDescription: String {
        switch self {
        case .database(let kind): kind.rawValue
        case .memory: "memory"
        }
    }
}

/// Empty records of a test's own, in a database or in memory.
struct RecordsFixture: Sendable {
    let store: any ProvisionRecording & AgentRecording & EventReading & OrphanRecording & ImageRecording & StoreProbing
    let clock: ManualClock
    let committed: CommittedEvents
    let tokens = TokenMaker()

    /// Runs `body` with fresh records.
    static func with(_ kind: RecordsKind, _ body: (RecordsFixture) async throws -> Void) async throws {
        switch kind {
        case .database(let kind): try await StoreFixture.with(kind) { try await body($0.records) }
        case .memory:
            let (clock, committed) = (ManualClock(), CommittedEvents())
            try await body(RecordsFixture(store: FakeRecords(clock: clock, live: committed), clock: clock, committed: committed))
        }
    }

    /// A row with a current token. `status` rows other than `provisioning` are written as they are.
    func workspace(_ condition: WorkspaceCondition = .init(.provisioning), parent: WorkspaceID? = nil, name: String = "w") async throws
        -> Agent
    {
        let token = tokens.issue()
        var workspace = Workspace(
            id: WorkspaceID(random: SodiumRandom()), name: name, runtime: "echo", condition: condition, createdAt: clock.now())
        workspace.generation = 1
        workspace.parentID = parent
        clock.advance(by: .milliseconds(1))
        let stored = try await store.insert(NewWorkspace(workspace: workspace, token: token.digest))
        return Agent(id: stored.id, token: token)
    }

    /// Two rows that are each other's parent, as labels of containers can tell it. Returns the other one.
    func circle(with first: WorkspaceID) async throws -> WorkspaceID {
        let second = WorkspaceID(random: SodiumRandom())
        for (id, parent) in [(first, second), (second, first)] {
            var workspace = Workspace(id: id, name: "w", runtime: "echo", condition: .init(.online), createdAt: clock.now())
            workspace.parentID = parent
            let audit = AuditEvent(kind: .orphanAdopted, workspaceID: id, at: clock.now())
            _ = try await store.adopt(NewWorkspace(workspace: workspace), audit: audit)
        }
        return second
    }

    func row(_ agent: Agent) async throws -> Workspace { try await store.workspace(agent.id).orFail() }

    func storedEvents(_ id: WorkspaceID) async throws -> [WorkspaceEvent] { try await store.events(of: id, after: 0, limit: 10_000) }
}
