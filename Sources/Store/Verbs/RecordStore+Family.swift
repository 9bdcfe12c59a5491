internal import Model

/// Verbs about a workspace and what hangs below it. All that change which rows hang where, or stop or remove a family, run one after the
/// other; what starts or inserts a row waits for them, not for each other.
extension RecordStore {
    func liveDescendants(of id: WorkspaceID) async throws -> [Workspace] {
        try await database.read { try $0.liveDescendants(of: id) }
    }

    func change(_ id: WorkspaceID, _ change: WorkspaceChange) async throws -> Workspace? {
        try await database.write { transaction in
            var parent: WorkspaceID?
            if case .some(.some(let asked)) = change.parentID { parent = asked }
            if parent != nil { try transaction.holdFamilies() }
            guard var workspace = try transaction.lock(id) else { return nil }
            guard workspace.status != .removed else { throw StoreError.removed }
            if let parent { try Ancestry.checkPlace(of: workspace, below: parent, row: transaction.sql.workspace) }
            change.apply(to: &workspace)
            workspace.updatedAt = transaction.now
            try transaction.save(workspace)
            try transaction.emit(.updated, ["name": .string(workspace.name)], for: id)
            return workspace
        }
    }

    func markRemoved(_ root: WorkspaceID, withDescendants: Bool) async throws -> Removal {
        try await database.write { transaction in
            try transaction.holdFamilies()
            let descendants = try transaction.sql.liveDescendants(of: root)
            guard withDescendants || descendants.isEmpty else { return .needsConfirmation(descendants) }
            for var workspace in try transaction.lockAll([root] + descendants.map(\.id)) {
                guard let transition = WorkspaceStatusMachine.apply(.removalRequested, to: workspace.condition) else { continue }
                workspace.pendingCleanup = true
                let payload: JSONObject = workspace.id == root ? ["cascade_deleted": .int(descendants.count)] : [:]
                try transaction.carryOut(transition, on: &workspace, addingToPayload: payload)
            }
            return .removed(descendants: descendants.map(\.id))
        }
    }

    func pauseFamily(of root: WorkspaceID) async throws -> [Workspace] {
        try await database.write { transaction in
            try transaction.holdFamilies()
            let family = [root] + (try transaction.sql.liveDescendants(of: root).map(\.id))
            var moved: [WorkspaceID: Workspace] = [:]
            for var workspace in try transaction.lockAll(family) {
                let event = LifecycleEvent.pauseRequested(name: workspace.name)
                guard let transition = WorkspaceStatusMachine.apply(event, to: workspace.condition) else { continue }
                try transaction.carryOut(transition, on: &workspace)
                moved[workspace.id] = workspace
            }
            return family.compactMap { moved[$0] }
        }
    }
}

extension StoreError {
    fileprivate static let removed = StoreError(
        .workspaceRemoved, "workspace removed", next: "Create a new workspace: a removed one does not come back.")
}

extension Transaction {
    private static let familyLock: Int64 = 4_850_188_374_519_891

    /// Alone among all that is about families, until the transaction ends. Before any row is locked.
    fileprivate func holdFamilies() throws { try sql.holdLock(Self.familyLock) }

    /// No family changes until the transaction ends. Before any row is locked.
    func keepFamilies() throws { try sql.shareLock(Self.familyLock) }

    /// The rows that are there, locked in the order of their ids, as by every transaction that locks several rows.
    fileprivate func lockAll(_ ids: [WorkspaceID]) throws -> [Workspace] {
        try ids.sorted { $0.text < $1.text }.compactMap(lock)
    }
}

extension SQLConnection {
    func workspace(_ id: WorkspaceID) throws -> Workspace? { try workspaces("WHERE w.id = $1", [.text(id.text)]).first }

    /// Walks level by level, also through removed rows, and never twice through the same one: a cycle of parents ends the walk.
    fileprivate func liveDescendants(of id: WorkspaceID) throws -> [Workspace] {
        var seen: Set<WorkspaceID> = [id]
        var level = [id]
        var found: [Workspace] = []
        while !level.isEmpty {
            let children = try level.flatMap { parent in
                try workspaces("WHERE w.parent_id = $1 ORDER BY w.created_at, w.id", [.text(parent.text)])
            }
            let unseen = children.filter { seen.insert($0.id).inserted }
            found += unseen.filter { $0.status != .removed }
            level = unseen.map(\.id)
        }
        return found
    }
}
