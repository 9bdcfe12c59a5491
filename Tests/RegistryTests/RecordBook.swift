import Model
import Synchronization

/// Rows and tokens in memory, with the store's verbs as the registry and the proxy use them.
final class RecordBook: AgentRecording, WorkspaceReading {
    struct State {
        var rows: [WorkspaceID: Workspace] = [:]
        var tokens: [[UInt8]: TokenOwner] = [:]
        var events: [(EventKind, JSONObject)] = []
        var beats: [Beat] = []
        var calls = 0
        var outage = false
    }

    private let state = Mutex(State())

    var events: [EventKind] { state.withLock { $0.events.map(\.0) } }
    var beats: [Beat] { state.withLock { $0.beats } }
    var calls: Int { state.withLock { $0.calls } }

    func row(_ id: WorkspaceID) -> Workspace? { state.withLock { $0.rows[id] } }
    func fail() { state.withLock { $0.outage = true } }

    func add(_ workspace: Workspace, token: String? = nil) {
        state.withLock { state in
            state.rows[workspace.id] = workspace
            guard let token else { return }
            let removed = workspace.status == .removed
            state.tokens[PlainTokens().hash(token)] = TokenOwner(
                workspaceID: workspace.id, generation: workspace.generation, removed: removed, revoked: removed)
        }
    }

    func revoke(_ token: String) {
        state.withLock { state in
            let hash = PlainTokens().hash(token)
            state.tokens[hash] = state.tokens[hash].map {
                TokenOwner(workspaceID: $0.workspaceID, generation: $0.generation, removed: $0.removed, revoked: true)
            }
        }
    }

    private func call<Value>(_ body: (inout State) throws -> Value) throws -> Value {
        try state.withLock { state in
            state.calls += 1
            if state.outage { throw StoreError.unavailable }
            return try body(&state)
        }
    }

    /// The row a token may change.
    private static func row(_ id: WorkspaceID, _ hash: [UInt8], _ state: State) -> Result<Workspace, AgentRefusal> {
        guard let owner = state.tokens[hash], owner.workspaceID == id else { return .failure(.tokenInvalid) }
        guard let row = state.rows[id] else { return .failure(.workspaceMissing) }
        if row.status == .removed { return .failure(.workspaceRemoved) }
        if owner.generation != row.generation { return .failure(.staleGeneration) }
        return owner.revoked ? .failure(.tokenInvalid) : .success(row)
    }

    private static func move(_ row: inout Workspace, _ transition: WorkspaceStatusMachine.Transition?, _ state: inout State) {
        guard let transition else { return }
        row.condition = transition.to
        for case .emit(let kind, let payload) in transition.actions { state.events.append((kind, payload)) }
    }

    func recordHeartbeat(_ beat: Beat) async throws -> Result<BeatRecord, AgentRefusal> {
        try call { state in
            state.beats.append(beat)
            return Self.row(beat.workspaceID, beat.tokenHash, state).map { found in
                var row = found
                row.lastErrorRate = beat.errorRate ?? row.lastErrorRate
                row.activeTasks = beat.activeTasks ?? row.activeTasks
                row.uptimeSeconds = beat.uptimeSeconds ?? row.uptimeSeconds
                row.currentTask = beat.currentTask ?? row.currentTask
                row.monthlySpend = beat.monthlySpend ?? row.monthlySpend
                row.overrides = beat.overrides ?? row.overrides
                let table = row.overrides.has(.statusManagement) ? beat.movesWhenSelfManaged : beat.moves
                Self.move(&row, table[row.condition], &state)
                state.rows[row.id] = row
                return BeatRecord(
                    condition: row.condition, activeTasks: row.activeTasks, uptimeSeconds: row.uptimeSeconds, currentTask: row.currentTask,
                    taskChanged: row.currentTask != found.currentTask, spareTasks: row.maxConcurrentTasks - row.activeTasks)
            }
        }
    }

    func register(_ registration: Registration) async throws -> Result<Workspace, AgentRefusal> {
        try call { state in
            Self.row(registration.workspaceID, registration.tokenHash, state).map { found in
                var row = found
                row.url = registration.url ?? row.url
                row.agentCard = registration.agentCard
                let event = LifecycleEvent.agentRegistered(url: row.url ?? "", cardText: registration.agentCard.text)
                Self.move(&row, WorkspaceStatusMachine.apply(event, to: row.condition), &state)
                state.rows[row.id] = row
                return row
            }
        }
    }

    func updateCard(_ card: JSONValue, of id: WorkspaceID, tokenHash: [UInt8]) async throws -> Result<Void, AgentRefusal> {
        try call { state in
            Self.row(id, tokenHash, state).map { row in
                state.rows[row.id]?.agentCard = card
                state.events.append((.agentCardUpdated, ["agent_card": card]))
            }
        }
    }

    func tokenOwner(_ hash: [UInt8]) async throws -> TokenOwner? { try call { $0.tokens[hash] } }
    func workspace(_ id: WorkspaceID) async throws -> Workspace? { try call { $0.rows[id] } }
    func liveWorkspaces() async throws -> [Workspace] { try call { $0.rows.values.filter { $0.status != .removed } } }
    func liveDescendants(of id: WorkspaceID) async throws -> [Workspace] { [] }
    func workspacesPendingCleanup() async throws -> [Workspace] { [] }
}

/// A token's hash is its text.
struct PlainTokens: TokenMaking {
    func issue() -> IssuedToken { IssuedToken(plaintext: "new", digest: TokenDigest(hash: hash("new"), prefix: "new")) }
    func hash(_ plaintext: String) -> [UInt8] { Array(plaintext.utf8) }
    func matches(_ left: String, _ right: String) -> Bool { left == right }
}

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
