internal import Model

extension RecordStore {
    func change(_ id: WorkspaceID, _ change: WorkspaceChange) async throws -> Workspace? {
        try await database.write { transaction in
            var parent: WorkspaceID?
            if case .some(.some(let asked)) = change.parentID { parent = asked }
            guard var workspace = try transaction.lockForChange(id, newParent: parent) else { return nil }
            guard workspace.status != .removed else { throw StoreError.removed }
            if let parent { try transaction.checkParent(parent, of: id) }
            change.apply(to: &workspace)
            workspace.updatedAt = transaction.now
            try transaction.save(workspace)
            try transaction.emit(.updated, ["name": .string(workspace.name)], for: id)
            return workspace
        }
    }
}

extension StoreError {
    fileprivate static let removed = StoreError(
        .workspaceRemoved, "workspace removed", next: "Create a new workspace: a removed one does not come back.")
    fileprivate static let parentNotLive = StoreError(
        .invalidField, "parent workspace not found", next: "Give the id of a live workspace as parent_id.")
    fileprivate static let parentCycle = StoreError(
        .parentCycle, "a workspace cannot be below itself", next: "Choose a parent that is neither the workspace itself nor below it.")
}

extension Transaction {
    /// Orders all changes of parents among each other: two that are harmless alone can close a circle together.
    private static let parentLockNumber: Int64 = 4_850_188_374_519_891

    /// The row, and the one it is to hang below, locked until the transaction ends; in the order of ids, as every transaction that locks
    /// several rows. The parent's lock keeps it from being removed meanwhile.
    fileprivate func lockForChange(_ id: WorkspaceID, newParent: WorkspaceID?) throws -> Workspace? {
        guard let newParent else { return try lock(id) }
        try sql.holdLock(Self.parentLockNumber)
        let rows = try [id, newParent].sorted { $0.text < $1.text }.compactMap { try lock($0) }
        return rows.first { $0.id == id }
    }

    /// Walks up from `parent`, through each row at most once.
    fileprivate func checkParent(_ parent: WorkspaceID, of id: WorkspaceID) throws {
        var seen: Set<WorkspaceID> = []
        var above: WorkspaceID? = parent
        while let current = above, seen.insert(current).inserted {
            guard current != id else { throw StoreError.parentCycle }
            let row = try sql.run("SELECT status, parent_id FROM workspaces WHERE id = $1", [.text(current.text)]).first
            if current == parent, row?[0].text.map({ $0 == WorkspaceStatus.removed.rawValue }) ?? true { throw StoreError.parentNotLive }
            above = row?[1].text.flatMap(WorkspaceID.init)
        }
    }
}
