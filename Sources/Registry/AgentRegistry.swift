public import Model

/// Where agents report: register, beat, and change their card. Every call authenticates first; a removed workspace gets 410 and nothing
/// else happens. The rules are in `docs/wire/registry.md`.
public struct AgentRegistry: Sendable {
    private let records: any AgentRecording & WorkspaceReading
    private let containers: any ContainerReading
    private let urlGuard: any AgentURLChecking
    private let tokens: any TokenMaking
    private let live: any EventPublishing
    private let clock: any TimeSource
    private let log: any LogSink

    public init(
        records: any AgentRecording & WorkspaceReading, containers: any ContainerReading, urlGuard: any AgentURLChecking,
        tokens: any TokenMaking, live: any EventPublishing, clock: any TimeSource, log: any LogSink
    ) {
        self.records = records
        self.containers = containers
        self.urlGuard = urlGuard
        self.tokens = tokens
        self.live = live
        self.clock = clock
        self.log = log
    }

    /// Stores the agent's card (and, for an external agent, its address) and brings the workspace online. Returns the row after it.
    ///
    /// Throws `invalid_request`, `invalid_workspace_id`, `workspace_auth_required`, `workspace_auth_invalid`, `workspace_removed`,
    /// `unsafe_url`, and `StoreError`.
    public func register(_ body: JSONValue, bearer: String?) async throws -> Workspace {
        let payload = try RegisterPayload(body)
        let hash = try tokenHash(bearer)
        let workspace = try await authenticated(hash, as: payload.id)
        let url = try await vettedAddress(payload.url, of: workspace)
        let registration = Registration(workspaceID: payload.id, tokenHash: hash, url: url, agentCard: payload.agentCard)
        return try await accepted(records.register(registration))
    }

    /// Records one beat in one store call, and tells live listeners. Throws as `register` does, without `unsafe_url`.
    public func heartbeat(_ body: JSONValue, bearer: String?) async throws -> BeatRecord {
        let payload = try HeartbeatPayload(body)
        let beat = payload.beat(tokenHash: try tokenHash(bearer))
        let record = try await accepted(records.recordHeartbeat(beat))
        announce(record, of: payload.workspaceID)
        return record
    }

    /// Replaces the agent's card. Throws as `register` does, without `unsafe_url`.
    public func updateCard(_ body: JSONValue, bearer: String?) async throws {
        let payload = try CardPayload(body)
        let hash = try tokenHash(bearer)
        try await accepted(records.updateCard(payload.agentCard, of: payload.workspaceID, tokenHash: hash))
    }

    private func tokenHash(_ bearer: String?) throws -> [UInt8] {
        guard let bearer else { throw Refusals.tokenMissing }
        return tokens.hash(bearer)
    }

    /// The live row this token speaks for. An unknown id is answered like a wrong token: whoever holds neither learns nothing.
    private func authenticated(_ hash: [UInt8], as id: WorkspaceID) async throws -> Workspace {
        guard let owner = try await records.tokenOwner(hash), owner.workspaceID == id else { throw Refusals.tokenInvalid }
        if owner.removed { throw Refusals.removed }
        guard !owner.revoked else { throw Refusals.tokenInvalid }
        guard let workspace = try await records.workspace(id) else { throw Refusals.tokenInvalid }
        return workspace
    }

    private func accepted<Value>(_ result: Result<Value, AgentRefusal>) throws -> Value {
        switch result {
        case .success(let value): return value
        case .failure(.tokenInvalid), .failure(.workspaceMissing): throw Refusals.tokenInvalid
        case .failure(.staleGeneration): throw Refusals.staleGeneration
        case .failure(.workspaceRemoved): throw Refusals.removed
        }
    }

    /// The address to store: the engine's for a workspace we provisioned (nil keeps the row's), the agent's own for an external one.
    private func vettedAddress(_ url: String, of workspace: Workspace) async throws -> String? {
        guard !workspace.external else {
            try await urlGuard.check(url)
            return url
        }
        let own: [ContainerFacts]
        do {
            own = try await containers.containers(of: workspace.id)
        } catch {
            log.warning("registration accepted unchecked: the engine does not answer", ("workspace", workspace.id.text))
            return nil
        }
        guard let container = ContainerIdentity.container(named: url, among: own, generation: workspace.generation) else {
            throw Refusals.foreignHost
        }
        return container.agentURL
    }

    /// Beats are told live only: they carry no id and are not stored.
    private func announce(_ record: BeatRecord, of id: WorkspaceID) {
        let tasks = JSONValue.int(record.activeTasks)
        var events: [(EventKind, JSONObject)] = []
        if record.taskChanged { events.append((.taskUpdated, ["current_task": .string(record.currentTask), "active_tasks": tasks])) }
        events.append((.heartbeat, ["active_tasks": tasks, "uptime_seconds": .int(record.uptimeSeconds)]))
        let now = clock.now()
        live.publish(events.map { WorkspaceEvent(workspaceID: id, sequence: nil, kind: $0.0, at: now, payload: $0.1) })
    }
}
