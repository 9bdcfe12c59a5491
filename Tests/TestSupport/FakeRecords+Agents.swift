public import Model

extension FakeRecords: AgentRecording {
    public func recordHeartbeat(_ beat: Beat) async throws -> Result<BeatRecord, AgentRefusal> {
        try await transact("recordHeartbeat") { [self] state in
            if let refusal = state.refusal(of: beat.workspaceID, beat.tokenHash) { return .failure(refusal) }
            guard var row = state.rows[beat.workspaceID] else { return .failure(.workspaceMissing) }
            let taskBefore = row.currentTask
            Self.take(beat, into: &row, at: clock.now())
            state.rows[row.id] = row
            let moves = row.overrides.has(.statusManagement) ? beat.movesWhenSelfManaged : beat.moves
            if let transition = moves[row.condition] { state.carryOut(transition, on: row.id, at: clock.now()) }
            return .success(
                BeatRecord(
                    condition: state.rows[row.id]?.condition ?? row.condition, activeTasks: row.activeTasks,
                    uptimeSeconds: row.uptimeSeconds,
                    currentTask: row.currentTask, taskChanged: row.currentTask != taskBefore,
                    spareTasks: max(0, row.maxConcurrentTasks - row.activeTasks)))
        }
    }

    private static func take(_ beat: Beat, into row: inout Workspace, at now: Timestamp) {
        let taskBefore = row.currentTask
        row.lastHeartbeatAt = now
        if let value = beat.errorRate { row.lastErrorRate = value }
        if let value = beat.sampleError { row.lastSampleError = value }
        if let value = beat.activeTasks { row.activeTasks = max(0, value) }
        if let value = beat.uptimeSeconds { row.uptimeSeconds = max(0, value) }
        if let value = beat.currentTask { row.currentTask = value }
        if let value = beat.monthlySpend, value > 0 { row.monthlySpend = value }
        if let value = beat.overrides { row.overrides = value }
        if row.activeTasks > 0 || row.currentTask != taskBefore { row.lastWorkAt = now }
    }

    public func register(_ registration: Registration) async throws -> Result<Workspace, AgentRefusal> {
        try await transact("register") { [self] state in
            if let refusal = state.refusal(of: registration.workspaceID, registration.tokenHash) { return .failure(refusal) }
            guard var row = state.rows[registration.workspaceID] else { return .failure(.workspaceMissing) }
            let isNews = registration.isNews(to: row)
            row.agentCard = registration.agentCard
            row.url = registration.url ?? row.url
            row.lastHeartbeatAt = clock.now()
            state.rows[row.id] = row
            let arrival = LifecycleEvent.agentRegistered(url: row.url ?? "", cardText: registration.agentCard.text)
            if isNews, let transition = WorkspaceStatusMachine.apply(arrival, to: row.condition) {
                state.carryOut(transition, on: row.id, at: clock.now())
            }
            return state.rows[row.id].map { .success($0) } ?? .failure(.workspaceMissing)
        }
    }

    public func updateCard(_ card: JSONValue, of id: WorkspaceID, tokenHash: [UInt8]) async throws -> Result<Void, AgentRefusal> {
        try await transact("updateCard") { [self] state in
            if let refusal = state.refusal(of: id, tokenHash) { return .failure(refusal) }
            guard state.rows[id]?.agentCard != card else { return .success(()) }
            state.rows[id]?.agentCard = card
            state.emit(.agentCardUpdated, ["agent_card": card], id, at: clock.now())
            return .success(())
        }
    }

    public func tokenOwner(_ hash: [UInt8]) async throws -> TokenOwner? {
        try await transact("tokenOwner") { state in
            guard let token = state.tokens[hash] else { return nil }
            let removed = state.rows[token.workspace]?.status == .removed
            return TokenOwner(workspaceID: token.workspace, generation: token.generation, removed: removed, revoked: token.revoked)
        }
    }
}

extension FakeRecords: EventReading, StoreProbing {
    public func events(of id: WorkspaceID, after sequence: Int64, limit: Int) async throws -> [WorkspaceEvent] {
        try await transact("events") { Array(($0.events[id] ?? []).filter { ($0.sequence ?? 0) > sequence }.prefix(limit)) }
    }

    public func lastSequence(of id: WorkspaceID) async throws -> Int64? {
        try await transact("lastSequence") { state in state.rows[id].map { _ in Int64(state.events[id]?.count ?? 0) } }
    }

    public func probe() async throws { try await transact("probe") { _ in } }
}
