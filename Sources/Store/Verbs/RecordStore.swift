internal import Model

/// The domain verbs over whichever database is in use: each is written once, in SQL both understand.
struct RecordStore: WorkspaceStore {
    let database: any Database
    let sealer: any SecretSealing
    let instance: InstanceID
    let isNewInstallation: Bool

    func workspace(_ id: WorkspaceID) async throws -> Workspace? {
        try await database.read { try $0.workspace(id) }
    }

    func liveWorkspaces() async throws -> [Workspace] {
        try await database.read { try $0.workspaces("WHERE w.status <> 'removed' ORDER BY w.created_at, w.id") }
    }

    func workspacesPendingCleanup() async throws -> [Workspace] {
        try await database.read { try $0.workspaces("WHERE w.pending_cleanup = 1 ORDER BY w.created_at, w.id") }
    }

    func close() async { await database.close() }
}

extension SQLConnection {
    /// Rows of `workspaces w` that match `condition`, whole.
    func workspaces(_ condition: String, _ parameters: [SQLValue] = []) throws -> [Workspace] {
        try run("\(WorkspaceRow.select) \(condition)", parameters).map(WorkspaceRow.workspace)
    }
}

extension Transaction {
    /// The row, locked until the transaction ends.
    func lock(_ id: WorkspaceID) throws -> Workspace? {
        try sql.workspaces("WHERE w.id = $1" + sql.dialect.rowLock, [.text(id.text)]).first
    }

    func save(_ workspace: Workspace) throws {
        try sql.run(WorkspaceRow.update, WorkspaceRow.values(workspace))
    }

    func store(_ token: TokenDigest, for workspace: Workspace) throws {
        try sql.run(
            "INSERT INTO workspace_tokens (hash, prefix, workspace_id, generation, created_at) VALUES ($1, $2, $3, $4, $5)",
            [.bytes(token.hash), .text(token.prefix), .text(workspace.id.text), SQLValue(workspace.generation), .int(now.microseconds)])
    }

    func revokeTokens(of id: WorkspaceID) throws {
        try sql.run(
            "UPDATE workspace_tokens SET revoked_at = $2 WHERE workspace_id = $1 AND revoked_at IS NULL",
            [.text(id.text), .int(now.microseconds)])
    }
}
