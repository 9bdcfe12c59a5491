public import Model

extension FakeRecords {
    public func liveDescendants(of id: WorkspaceID) async throws -> [Workspace] {
        try await transact("liveDescendants") { $0.liveDescendants(of: id) }
    }

    public func markRemoved(_ root: WorkspaceID, withDescendants: Bool) async throws -> Removal {
        try await transact("markRemoved") { [self] state in
            let descendants = state.liveDescendants(of: root)
            guard withDescendants || descendants.isEmpty else { return .needsConfirmation(descendants) }
            for id in [root] + descendants.map(\.id) {
                guard let row = state.rows[id], let transition = WorkspaceStatusMachine.apply(.removalRequested, to: row.condition) else {
                    continue
                }
                state.rows[id]?.pendingCleanup = true
                state.carryOut(transition, on: id, at: clock.now(), adding: id == root ? ["cascade_deleted": .int(descendants.count)] : [:])
            }
            return .removed(descendants: descendants.map(\.id))
        }
    }

    public func pauseFamily(of root: WorkspaceID) async throws -> [Workspace] {
        try await transact("pauseFamily") { [self] state in
            let family = (state.rows[root].map { [$0] } ?? []) + state.liveDescendants(of: root)
            return family.compactMap {
                state.move($0.id, by: .pauseRequested(name: $0.name), at: clock.now()) ? state.rows[$0.id] : nil
            }
        }
    }

    public func change(_ id: WorkspaceID, _ change: WorkspaceChange) async throws -> Workspace? {
        try await transact("change") { [self] state in
            guard var row = state.rows[id] else { return nil }
            guard row.status != .removed else { throw StoreError(.workspaceRemoved, "workspace removed", next: "Create a new workspace.") }
            if case .some(.some(let parent)) = change.parentID { try Ancestry.checkPlace(of: row, below: parent) { state.rows[$0] } }
            change.apply(to: &row)
            row.updatedAt = clock.now()
            state.rows[id] = row
            state.emit(.updated, ["name": .string(row.name)], id, at: clock.now())
            return row
        }
    }

    public func claimHibernation(of id: WorkspaceID, evenBusy: Bool, idleSince: Timestamp?) async throws -> HibernationClaim {
        try await transact("claimHibernation") { [self] state in
            guard let row = state.rows[id], row.status == .online || row.status == .degraded else { return .notNow }
            guard evenBusy || row.activeTasks == 0 else { return .busy(activeTasks: row.activeTasks) }
            if let idleSince, let work = row.lastWorkAt, work > idleSince { return .notNow }
            guard state.move(id, by: .hibernationClaimed, at: clock.now()), let moved = state.rows[id] else { return .notNow }
            return .claimed(moved)
        }
    }

    public func noteWork(on id: WorkspaceID, at: Timestamp) async throws {
        try await transact("noteWork") { state in
            guard let row = state.rows[id], row.lastWorkAt.map({ $0 < at }) ?? true else { return }
            state.rows[id]?.lastWorkAt = at
        }
    }

    public func openOperation(_ kind: WorkspaceOperation.Kind, on id: WorkspaceID, reason: String?) async throws -> Int64 {
        try await transact("openOperation") { [self] state in
            let number = Int64(state.operations.count + 1)
            state.operations.append(
                WorkspaceOperation(
                    id: number, workspaceID: id, kind: kind, state: .queued, reason: reason, code: nil, requestedAt: clock.now(),
                    startedAt: nil, endedAt: nil))
            return number
        }
    }

    public func markOperation(_ operation: Int64, _ phase: WorkspaceOperation.State, code: ErrorCode?, reason: String?) async throws {
        try await transact("markOperation") { [self] state in
            let index = Int(operation) - 1
            guard state.operations.indices.contains(index), !state.operations[index].state.isOver else { return }
            state.operations[index] = state.operations[index].moved(to: phase, code: code, reason: reason, at: clock.now())
        }
    }

    public func operations(of id: WorkspaceID, limit: Int) async throws -> [WorkspaceOperation] {
        try await transact("operations") { state in Array(state.operations.filter { $0.workspaceID == id }.reversed().prefix(limit)) }
    }

    public func interruptOperations() async throws {
        try await transact("interruptOperations") { [self] state in
            for index in state.operations.indices where !state.operations[index].state.isOver {
                state.operations[index] = state.operations[index].moved(to: .interrupted, code: nil, reason: nil, at: clock.now())
            }
        }
    }
}

extension FakeRecords: OrphanRecording {
    public func installationSeenAt() async throws -> Timestamp { try await transact("installationSeenAt") { $0.installationSeenAt } }

    public func statuses(of ids: [WorkspaceID]) async throws -> [WorkspaceID: WorkspaceStatus] {
        try await transact("statuses") { state in
            ids.reduce(into: [:]) { found, id in if let row = state.rows[id] { found[id] = row.status } }
        }
    }

    public func orphans() async throws -> [Orphan] {
        try await transact("orphans") { $0.orphans.values.sorted { $0.workspaceID.text < $1.workspaceID.text } }
    }

    public func saveOrphans(_ saved: [Orphan], forgetting forgotten: [WorkspaceID], audit: [AuditEvent]) async throws {
        try await transact("saveOrphans") { state in
            for orphan in saved { state.orphans[orphan.workspaceID] = orphan }
            for id in forgotten { state.orphans[id] = nil }
            for event in audit { state.append(event) }
        }
    }

    public func adopt(_ adoption: NewWorkspace, audit: AuditEvent) async throws -> Bool {
        try await transact("adopt") { [self] state in
            let row = adoption.workspace
            guard state.rows[row.id] == nil else { return false }
            state.insert(adoption)
            state.emit(.adopted, ["name": .string(row.name), "runtime": .string(row.runtime)], row.id, at: clock.now())
            for event in adoption.events { state.emit(event.kind, event.payload, row.id, at: clock.now()) }
            state.orphans[row.id] = nil
            state.append(audit)
            return true
        }
    }

    public func auditEvents(after sequence: Int64, limit: Int) async throws -> [AuditEvent] {
        try await transact("auditEvents") { state in Array(state.audit.filter { ($0.sequence ?? 0) > sequence }.prefix(limit)) }
    }
}

extension FakeRecords.State {
    func liveDescendants(of id: WorkspaceID) -> [Workspace] {
        var seen: Set<WorkspaceID> = [id]
        var level = [id]
        var found: [Workspace] = []
        while !level.isEmpty {
            let children = rows.values.filter { $0.parentID.map(level.contains) ?? false && seen.insert($0.id).inserted }
            found += children.filter { $0.status != .removed }.sorted { $0.createdAt < $1.createdAt }
            level = children.map(\.id)
        }
        return found
    }

    mutating func append(_ event: AuditEvent) {
        audit.append(
            AuditEvent(
                sequence: Int64(audit.count + 1), kind: event.kind, workspaceID: event.workspaceID, at: event.at, payload: event.payload))
    }

    mutating func insert(_ new: NewWorkspace) {
        let row = new.workspace
        rows[row.id] = row
        secrets[row.id] = WorkspaceSecrets(environment: new.secrets, files: new.secretFiles)
        if let token = new.token { tokens[token.hash] = FakeRecords.Token(workspace: row.id, generation: row.generation) }
    }
}

extension WorkspaceOperation {
    func moved(to state: State, code: ErrorCode?, reason: String?, at now: Timestamp) -> WorkspaceOperation {
        WorkspaceOperation(
            id: id, workspaceID: workspaceID, kind: kind, state: state, reason: reason ?? self.reason, code: code, requestedAt: requestedAt,
            startedAt: startedAt ?? (state == .running ? now : nil), endedAt: state.isOver ? now : nil)
    }
}
