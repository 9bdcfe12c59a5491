import Model
import Synchronization

/// Rows in memory: what the routes read, and the little that creating and removing write.
final class Rows: ProvisionRecording, AgentRecording, EventReading {
    private struct State {
        var rows: [WorkspaceID: Workspace] = [:]
        var order: [WorkspaceID] = []
        var owners: [[UInt8]: TokenOwner] = [:]
        var events: [WorkspaceID: [WorkspaceEvent]] = [:]
        var failure: (any Error)?
        var reads = 0
    }

    private let state = Mutex(State())

    /// Every read fails from now on.
    func goDown(_ error: any Error = StoreError.unavailable) { state.withLock { $0.failure = error } }

    /// How often somebody asked for a row or an owner.
    var reads: Int { state.withLock { $0.reads } }

    @discardableResult
    func add(_ name: String, _ status: WorkspaceStatus = .online, _ change: (inout Workspace) -> Void = { _ in }) -> WorkspaceID {
        state.withLock { state in
            let number = String(state.order.count + 1)
            let id = WorkspaceID("00000000-0000-4000-8000-" + String(repeating: "0", count: 12 - number.count) + number)!
            var row = Workspace(
                id: id, name: name, runtime: "echo", condition: WorkspaceCondition(status), createdAt: Timestamp(seconds: 1_800_000_000))
            change(&row)
            state.rows[id] = row
            state.order.append(id)
            let removed = status == .removed
            state.owners[Array("token-of-\(id)".utf8)] = TokenOwner(workspaceID: id, generation: 1, removed: removed, revoked: removed)
            return id
        }
    }

    func revokeToken(of id: WorkspaceID) {
        state.withLock {
            $0.owners[Array("token-of-\(id)".utf8)] = TokenOwner(workspaceID: id, generation: 1, removed: false, revoked: true)
        }
    }

    @discardableResult
    func store(_ kind: EventKind, _ payload: JSONObject = [:], for id: WorkspaceID) -> WorkspaceEvent {
        state.withLock { state in
            let sequence = Int64(state.events[id, default: []].count + 1)
            let at = Timestamp(seconds: 1_800_000_000 + sequence)
            let event = WorkspaceEvent(workspaceID: id, sequence: sequence, kind: kind, at: at, payload: payload)
            state.events[id, default: []].append(event)
            return event
        }
    }

    private func read<Value>(_ take: (inout State) -> Value) throws -> Value {
        try state.withLock { state in
            state.reads += 1
            if let failure = state.failure { throw failure }
            return take(&state)
        }
    }

    func workspace(_ id: WorkspaceID) async throws -> Workspace? { try read { $0.rows[id] } }

    func liveWorkspaces() async throws -> [Workspace] {
        try read { state in state.order.compactMap { state.rows[$0] }.filter { $0.status != .removed } }
    }

    func liveDescendants(of id: WorkspaceID) async throws -> [Workspace] {
        try await liveWorkspaces().filter { $0.parentID == id }
    }

    func workspacesPendingCleanup() async throws -> [Workspace] { try read { $0.rows.values.filter(\.pendingCleanup) } }
    func tokenOwner(_ hash: [UInt8]) async throws -> TokenOwner? { try read { $0.owners[hash] } }

    func events(of id: WorkspaceID, after sequence: Int64, limit: Int) async throws -> [WorkspaceEvent] {
        try read { Array(($0.events[id] ?? []).filter { ($0.sequence ?? 0) > sequence }.prefix(limit)) }
    }

    func lastSequence(of id: WorkspaceID) async throws -> Int64? {
        try read { $0.rows[id] == nil ? nil : Int64($0.events[id]?.count ?? 0) }
    }

    func insert(_ new: NewWorkspace) async throws -> Workspace {
        state.withLock { state in
            state.rows[new.workspace.id] = new.workspace
            state.order.append(new.workspace.id)
            return new.workspace
        }
    }

    func secrets(of id: WorkspaceID) async throws -> WorkspaceSecrets { WorkspaceSecrets() }
    func beginGeneration(of id: WorkspaceID, token: TokenDigest) async throws -> Workspace? { nil }
    func recordContainer(_ containerID: String?, image: String?, for id: WorkspaceID, generation: Int) async throws {}
    func recordAddress(_ url: String?, for id: WorkspaceID, generation: Int) async throws {}
    func append(_ kind: EventKind, payload: JSONObject, to id: WorkspaceID) async throws { store(kind, payload, for: id) }

    func apply(_ event: LifecycleEvent, failure: WorkspaceFailure?, to id: WorkspaceID, generation: Int?) async throws -> Workspace? { nil }

    func markRemoved(root: WorkspaceID, descendants: [WorkspaceID]) async throws {
        state.withLock { state in
            for id in [root] + descendants {
                state.rows[id]?.condition = WorkspaceCondition(.removed)
                state.rows[id]?.pendingCleanup = true
                state.owners[Array("token-of-\(id)".utf8)] = TokenOwner(workspaceID: id, generation: 1, removed: true, revoked: true)
            }
        }
    }

    func setPendingCleanup(_ pending: Bool, for id: WorkspaceID) async throws { state.withLock { $0.rows[id]?.pendingCleanup = pending } }

    func recordHeartbeat(_ beat: Beat) async throws -> Result<BeatRecord, AgentRefusal> {
        try read { state in
            guard let owner = state.owners[beat.tokenHash], let row = state.rows[beat.workspaceID], owner.workspaceID == row.id else {
                return .failure(.tokenInvalid)
            }
            guard !owner.removed else { return .failure(.workspaceRemoved) }
            return .success(
                BeatRecord(
                    condition: row.condition, activeTasks: 0, uptimeSeconds: 0, currentTask: "", taskChanged: false, spareTasks: 1))
        }
    }

    func register(_ registration: Registration) async throws -> Result<Workspace, AgentRefusal> {
        try read { state in state.rows[registration.workspaceID].map { .success($0) } ?? .failure(.workspaceMissing) }
    }

    func updateCard(_ card: JSONValue, of id: WorkspaceID, tokenHash: [UInt8]) async throws -> Result<Void, AgentRefusal> { .success(()) }
}

/// An engine with the containers a test puts there. Making one is refused.
final class Containers: EngineProbing, NetworkEnsuring, ImageStoring, ContainerMaking, ContainerRemoving, ContainerReading {
    private struct State {
        var containers: [ContainerFacts] = []
        var logs: [String: [String]] = [:]
        var asked: [LogOptions] = []
        var removable = true
    }

    private let state = Mutex(State())

    /// What log readers asked for.
    var asked: [LogOptions] { state.withLock { $0.asked } }

    func refuseRemoval() { state.withLock { $0.removable = false } }

    func put(_ id: String, for workspace: Workspace, generation: Int = 1, logs: [String]) {
        var labels = WorkspaceLabels(workspace: workspace)
        labels.generationNumber = generation
        let facts = ContainerFacts(id: id, name: "ws-\(id)", labels: labels.dictionary(for: InstanceID("test-instance")!), state: .running)
        state.withLock {
            $0.containers.append(facts)
            $0.logs[id] = logs
        }
    }

    private static let refusal = BackendError(.unavailable, .engineUnavailable, "the engine does not answer")

    func probe() async throws -> EngineFacts { throw Self.refusal }
    func ensureNetwork() async throws -> WorkspaceNetwork { throw Self.refusal }
    func image(_ reference: String) async throws -> ImageFacts? { throw Self.refusal }
    func pull(_ reference: String, progress: @escaping @Sendable (PullProgress) -> Void) async throws { throw Self.refusal }
    func createVolume(_ name: String, labels: WorkspaceLabels) async throws { throw Self.refusal }
    func createContainer(_ spec: ContainerSpec) async throws -> String { throw Self.refusal }
    func copy(_ files: [ContainerFile], into containerID: String, at directory: String) async throws { throw Self.refusal }
    func start(_ containerID: String) async throws { throw Self.refusal }

    func removeContainer(_ containerID: String) async throws {
        guard state.withLock({ $0.removable }) else { throw Self.refusal }
        state.withLock { $0.containers.removeAll { $0.id == containerID } }
    }

    func removeVolume(_ name: String) async throws {}
    func containers() async throws -> [ContainerFacts] { state.withLock { $0.containers } }

    func containers(of workspace: WorkspaceID) async throws -> [ContainerFacts] {
        state.withLock { $0.containers.filter { $0.labels[WorkspaceLabels.workspaceID] == workspace.text } }
    }

    func container(_ id: String) async throws -> ContainerFacts? { state.withLock { $0.containers.first { $0.id == id } } }
    func volumes(of workspace: WorkspaceID) async throws -> [String] { [] }

    func logs(of containerID: String, _ options: LogOptions) async throws -> AsyncThrowingStream<LogChunk, any Error> {
        let lines = state.withLock { state in
            state.asked.append(options)
            return state.logs[containerID] ?? []
        }
        return AsyncThrowingStream { stream in
            for line in lines { stream.yield(LogChunk(stream: .output, bytes: Array(line.utf8))) }
            stream.finish()
        }
    }

    func events(since: Timestamp?) async throws -> AsyncThrowingStream<ContainerEvent, any Error> { AsyncThrowingStream { $0.finish() } }
}
