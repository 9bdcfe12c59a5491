internal import Model

extension RecordStore {
    func startProvision(of id: WorkspaceID, token: TokenDigest?, from: Set<WorkspaceStatus>) async throws -> Workspace? {
        try await database.write { transaction in
            try transaction.keepFamilies()
            guard var workspace = try transaction.lock(id) else { return nil }
            guard workspace.status != .removed, from.contains(workspace.status) else { return nil }
            try Ancestry.checkStart(of: workspace, row: transaction.sql.workspace)
            workspace.generation += token == nil ? 0 : 1
            // A new generation that somebody wants ends a trial: there is nothing to go back to.
            if token != nil { workspace.kept = nil }
            workspace.provisionStartedAt = transaction.now
            workspace.updatedAt = transaction.now
            if let transition = WorkspaceStatusMachine.apply(.provisionStarted, to: workspace.condition) {
                try transaction.carryOut(transition, on: &workspace)
            } else {
                try transaction.save(workspace)
            }
            if let token {
                try transaction.revokeTokens(of: id)
                try transaction.store(token, for: workspace)
            }
            return workspace
        }
    }

    func claimHibernation(of id: WorkspaceID, evenBusy: Bool, idleSince: Timestamp?) async throws -> HibernationClaim {
        try await database.write { transaction in
            guard var workspace = try transaction.lock(id),
                let transition = WorkspaceStatusMachine.apply(.hibernationClaimed, to: workspace.condition)
            else { return .notNow }
            guard evenBusy || workspace.activeTasks == 0 else { return .busy(activeTasks: workspace.activeTasks) }
            if let idleSince, let work = workspace.lastWorkAt, work > idleSince { return .notNow }
            try transaction.carryOut(transition, on: &workspace)
            return .claimed(workspace)
        }
    }

    func noteWork(on id: WorkspaceID, at: Timestamp) async throws {
        try await database.write { transaction in
            _ = try transaction.sql.run(
                "UPDATE workspaces SET last_work_at = $2 WHERE id = $1 AND (last_work_at IS NULL OR last_work_at < $2)",
                [.text(id.text), .int(at.microseconds)])
        }
    }
}
