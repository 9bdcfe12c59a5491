internal import Model

extension RecordStore {
    func startProvision(of id: WorkspaceID, token: TokenDigest?, from: Set<WorkspaceStatus>) async throws -> Workspace? {
        try await database.write { transaction in
            guard var workspace = try transaction.lock(id), from.contains(workspace.status) else { return nil }
            workspace.generation += token == nil ? 0 : 1
            workspace.provisionStartedAt = transaction.now
            workspace.updatedAt = transaction.now
            try transaction.save(workspace)
            if let token {
                try transaction.revokeTokens(of: id)
                try transaction.store(token, for: workspace)
            }
            return workspace
        }
    }
    func applyToAll(_ events: [(id: WorkspaceID, event: LifecycleEvent)]) async throws -> [Workspace] { throw StoreError.unavailable }
    func change(_ id: WorkspaceID, _ change: WorkspaceChange) async throws -> Workspace? { throw StoreError.unavailable }
    func claimHibernation(of id: WorkspaceID, evenBusy: Bool, idleSince: Timestamp?) async throws -> HibernationClaim {
        throw StoreError.unavailable
    }
    func noteWork(on id: WorkspaceID, at: Timestamp) async throws { throw StoreError.unavailable }
    func openOperation(_ kind: WorkspaceOperation.Kind, on id: WorkspaceID, reason: String?) async throws -> Int64 {
        throw StoreError.unavailable
    }
    func markOperation(_ operation: Int64, _ state: WorkspaceOperation.State, code: ErrorCode?, reason: String?) async throws {
        throw StoreError.unavailable
    }
    func operations(of id: WorkspaceID, limit: Int) async throws -> [WorkspaceOperation] { throw StoreError.unavailable }
    func interruptOperations() async throws { throw StoreError.unavailable }
}
