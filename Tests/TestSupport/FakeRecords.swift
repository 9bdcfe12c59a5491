public import Model
import Synchronization

/// Records in memory that keep the store's promises: one change at a time, the status machine's moves and no others, tokens bound to
/// generations, sequences without gaps. Fails or hangs where `faults` says.
public final class FakeRecords: Sendable {
    struct Token {
        let workspace: WorkspaceID
        let generation: Int
        var revoked = false
    }

    struct State {
        var rows: [WorkspaceID: Workspace] = [:]
        var secrets: [WorkspaceID: WorkspaceSecrets] = [:]
        var tokens: [[UInt8]: Token] = [:]
        var events: [WorkspaceID: [WorkspaceEvent]] = [:]
        var fresh: [WorkspaceEvent] = []
        var operations: [WorkspaceOperation] = []
        var orphans: [WorkspaceID: Orphan] = [:]
        var audit: [AuditEvent] = []
        var images: [String: TrackedImage] = [:]
        var retired: [String: RetiredImage] = [:]
        var installationSeenAt: Timestamp
    }

    /// Everything that is stored, at one moment.
    public struct Snapshot: Sendable {
        let state: State
    }

    public let faults: FaultScript
    let clock: any TimeSource
    private let live: (any EventPublishing)?
    private let state: Mutex<State>

    public init(clock: any TimeSource, live: (any EventPublishing)? = nil, gate: (any CallGate)? = nil) {
        state = Mutex(State(installationSeenAt: clock.now()))
        faults = FaultScript(gate: gate)
        self.clock = clock
        self.live = live
    }

    public func snapshot() -> Snapshot { Snapshot(state: state.withLock { $0 }) }

    /// Puts another database in this one's place.
    public func restore(_ snapshot: Snapshot) { state.withLock { $0 = snapshot.state } }

    // What a test looks at without counting as a call.

    public func row(_ id: WorkspaceID) -> Workspace? { state.withLock { $0.rows[id] } }
    public var rows: [Workspace] { state.withLock { $0.rows.values.sorted { $0.createdAt < $1.createdAt } } }
    /// Whether an agent with this token would be heard.
    public func accepts(_ hash: [UInt8], for id: WorkspaceID) -> Bool { state.withLock { $0.refusal(of: id, hash) == nil } }
    public func orphan(_ id: WorkspaceID) -> Orphan? { state.withLock { $0.orphans[id] } }
    public var knowsInstallationSince: Timestamp { state.withLock { $0.installationSeenAt } }
    public func history(of id: WorkspaceID) -> [WorkspaceEvent] { state.withLock { $0.events[id] ?? [] } }
    public func liveTokens(of id: WorkspaceID) -> Int { state.withLock { $0.tokens.values.count { $0.workspace == id && !$0.revoked } } }

    /// Changes a row behind everybody's back: the state a test starts from. `token` speaks for it in its generation.
    public func arrange(_ row: Workspace, token: TokenDigest? = nil) {
        state.withLock { state in
            state.rows[row.id] = row
            if let token { state.tokens[token.hash] = Token(workspace: row.id, generation: row.generation) }
        }
    }

    /// One named call: a transaction that happens whole or not at all, its events handed on after it.
    func transact<Result: Sendable>(_ name: String, _ body: @escaping @Sendable (inout State) throws -> Result) async throws -> Result {
        try await faults.perform(name) { [self] in
            let (result, events) = try state.withLock { state in
                state.fresh = []
                // Every body judges before it changes anything, so that one that throws has changed nothing.
                let result = try body(&state)
                return (result, state.fresh)
            }
            live?.publish(events)
            return result
        }
    }
}

extension FakeRecords.State {
    mutating func emit(_ kind: EventKind, _ payload: JSONObject, _ id: WorkspaceID, at now: Timestamp) {
        let sequence = Int64((events[id]?.count ?? 0) + 1)
        let event = WorkspaceEvent(workspaceID: id, sequence: sequence, kind: kind, at: now, payload: payload)
        events[id, default: []].append(event)
        fresh.append(event)
    }

    mutating func carryOut(
        _ transition: WorkspaceStatusMachine.Transition, on id: WorkspaceID, at now: Timestamp, adding extra: JSONObject = [:]
    ) {
        rows[id]?.condition = transition.to
        rows[id]?.updatedAt = now
        if transition.to.status != .failed { rows[id]?.failure = nil }
        for action in transition.actions {
            switch action {
            case .clearAddress: rows[id]?.url = nil
            case .revokeTokens: revokeTokens(of: id)
            case .emit(let kind, var payload):
                for member in facts(of: id, for: kind).members { payload[member.key] = member.value }
                for member in extra.members { payload[member.key] = member.value }
                emit(kind, payload, id, at: now)
            }
        }
    }

    /// What a row adds to an event that the machine, which knows no rows, leaves empty.
    private func facts(of id: WorkspaceID, for kind: EventKind) -> JSONObject {
        guard kind == .provisioning, let row = rows[id] else { return [:] }
        return ["name": .string(row.name), "tier": .int(row.tier), "runtime": .string(row.runtime)]
    }

    /// False when the event changes nothing.
    mutating func move(_ id: WorkspaceID, by event: LifecycleEvent, at now: Timestamp) -> Bool {
        guard let row = rows[id], let transition = WorkspaceStatusMachine.apply(event, to: row.condition) else { return false }
        carryOut(transition, on: id, at: now)
        return true
    }

    mutating func revokeTokens(of id: WorkspaceID) {
        for (hash, token) in tokens where token.workspace == id { tokens[hash]?.revoked = true }
    }

    func refusal(of id: WorkspaceID, _ hash: [UInt8]) -> AgentRefusal? {
        guard let row = rows[id] else { return .workspaceMissing }
        guard let token = tokens[hash], token.workspace == id else { return .tokenInvalid }
        if row.status == .removed { return .workspaceRemoved }
        if token.generation != row.generation { return .staleGeneration }
        return token.revoked ? .tokenInvalid : nil
    }
}

extension FakeRecords: ProvisionRecording {
    public func workspace(_ id: WorkspaceID) async throws -> Workspace? { try await transact("workspace") { $0.rows[id] } }

    public func liveWorkspaces() async throws -> [Workspace] {
        try await transact("liveWorkspaces") { $0.rows.values.filter { $0.status != .removed }.sorted { $0.createdAt < $1.createdAt } }
    }

    public func workspacesPendingCleanup() async throws -> [Workspace] {
        try await transact("workspacesPendingCleanup") { $0.rows.values.filter(\.pendingCleanup).sorted { $0.createdAt < $1.createdAt } }
    }

    public func insert(_ new: NewWorkspace) async throws -> Workspace {
        try await transact("insert") { [self] state in
            if let parent = new.workspace.parentID { try Ancestry.checkPlace(of: new.workspace, below: parent) { state.rows[$0] } }
            state.insert(new)
            for event in new.events { state.emit(event.kind, event.payload, new.workspace.id, at: clock.now()) }
            return new.workspace
        }
    }

    public func secrets(of id: WorkspaceID) async throws -> WorkspaceSecrets {
        try await transact("secrets") { $0.secrets[id] ?? WorkspaceSecrets() }
    }

    public func startProvision(of id: WorkspaceID, token: TokenDigest?, from: Set<WorkspaceStatus>) async throws -> Workspace? {
        try await transact("startProvision") { [self] state in
            guard let row = state.rows[id], row.status != .removed, from.contains(row.status) else { return nil }
            try Ancestry.checkStart(of: row) { state.rows[$0] }
            if let token {
                state.revokeTokens(of: id)
                state.rows[id]?.generation += 1
                state.rows[id]?.kept = nil
                state.tokens[token.hash] = Token(workspace: id, generation: row.generation + 1)
            }
            state.rows[id]?.provisionStartedAt = clock.now()
            if let transition = WorkspaceStatusMachine.apply(.provisionStarted, to: row.condition) {
                state.carryOut(transition, on: id, at: clock.now())
            }
            return state.rows[id]
        }
    }

    public func recordContainer(_ containerID: String, version: ImageVersion?, for id: WorkspaceID, generation: Int) async throws {
        try await transact("recordContainer") { state in
            guard state.rows[id]?.generation == generation else { return }
            state.rows[id]?.containerID = containerID
            state.rows[id]?.imageVersion = version
        }
    }

    public func recordAddress(_ url: String?, for id: WorkspaceID, generation: Int) async throws {
        try await transact("recordAddress") { state in
            guard let row = state.rows[id], row.generation == generation, row.status != .removed else { return }
            state.rows[id]?.url = url
        }
    }

    public func append(_ events: [(kind: EventKind, payload: JSONObject)], to id: WorkspaceID) async throws {
        try await transact("append") { [self] state in
            for event in events { state.emit(event.kind, event.payload, id, at: clock.now()) }
        }
    }

    public func apply(_ event: LifecycleEvent, failure: WorkspaceFailure?, to id: WorkspaceID, generation: Int?) async throws -> Workspace?
    {
        try await transact("apply") { [self] state in
            guard let row = state.rows[id], generation == nil || row.generation == generation else { return nil }
            guard state.move(id, by: event, at: clock.now()) else { return nil }
            if let failure {
                state.rows[id]?.failure = failure
                state.rows[id]?.lastSampleError = failure.message
            }
            return state.rows[id]
        }
    }

    public func setPendingCleanup(_ pending: Bool, for id: WorkspaceID) async throws {
        try await transact("setPendingCleanup") { $0.rows[id]?.pendingCleanup = pending }
    }
}
