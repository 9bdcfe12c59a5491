public import Model

extension WorkspaceProvisioner {
    /// Removes `id` and its descendants: rows first, then what the engine holds. With children it must be `confirmed`, else
    /// `confirmation_required`. A repeated delete tries again what failed, descendants included. Throws `CodedError`.
    public func delete(_ id: WorkspaceID, confirmed: Bool) async throws -> Deletion {
        guard let root = try await records.workspace(id) else { throw Self.missing }
        let leftOver = try await pendingDescendants(of: id)
        let descendants: [WorkspaceID]
        switch try await records.markRemoved(id, withDescendants: confirmed) {
        case .needsConfirmation(let below): throw Self.confirmationRequired(root, below)
        case .removed(let below): descendants = below
        }
        let removed = (root.status != .removed || root.pendingCleanup ? [id] : []) + descendants + leftOver
        for id in removed { jobs.cancel(id) }
        let failures = await unbroken { [removed] in
            await self.sideBySide(removed) { id in await self.attend(.delete, on: id) { await self.teardown(id) } }
        }
        return Deletion(removedIDs: removed, failures: failures)
    }

    /// Side by side, each with its own time: one that hangs holds up neither the others nor the caller.
    func sideBySide(_ ids: [WorkspaceID], _ act: @escaping @Sendable (WorkspaceID) async -> ErrorCode?) async -> [Deletion.Problem] {
        await withTaskGroup(of: Deletion.Problem?.self) { group in
            for id in ids {
                group.addTask { await act(id).map { Deletion.Problem(id: id, code: $0) } }
            }
            var problems: [WorkspaceID: Deletion.Problem] = [:]
            for await problem in group { if let problem { problems[problem.id] = problem } }
            return ids.compactMap { problems[$0] }
        }
    }

    /// Removed descendants whose containers or volumes an earlier delete could not remove.
    private func pendingDescendants(of root: WorkspaceID) async throws -> [WorkspaceID] {
        var found: [WorkspaceID] = []
        for row in try await records.workspacesPendingCleanup() where row.status == .removed && row.id != root {
            if try await isDescendant(row, of: root) { found.append(row.id) }
        }
        return found
    }

    private func isDescendant(_ row: Workspace, of root: WorkspaceID) async throws -> Bool {
        var seen: Set<WorkspaceID> = [row.id]
        var parent = row.parentID
        while let id = parent, seen.insert(id).inserted {
            if id == root { return true }
            parent = try await records.workspace(id)?.parentID
        }
        return false
    }

    private static func confirmationRequired(_ root: Workspace, _ descendants: [Workspace]) -> Failure {
        let children = descendants.filter { $0.parentID == root.id }
        let list = children.map { JSONValue.object(["id": .string($0.id.text), "name": .string($0.name)]) }
        return Failure(
            .confirmationRequired, "\(root.name) has \(children.count) child workspaces, which would be removed with it",
            next: "Repeat the request with confirm=true to remove all of them.",
            details: ["children": .array(list), "children_count": .int(children.count)])
    }
}
