internal import Model

extension RecordStore {
    func recordHeartbeat(_ beat: Beat) async throws -> Result<BeatRecord, AgentRefusal> {
        // Between a beat that matched nothing and the look at why, the row may have changed so that the beat is welcome now: once more.
        for _ in 0..<2 {
            if let record = try await database.applyBeat(beat) { return .success(record) }
            let refusal = try await database.read { try $0.refusal(of: beat.workspaceID, tokenHash: beat.tokenHash) }
            if let refusal { return .failure(refusal) }
        }
        throw StoreError.unavailable
    }

    func register(_ registration: Registration) async throws -> Result<Workspace, AgentRefusal> {
        try await database.write { transaction in
            try transaction.asAgent(of: registration.workspaceID, tokenHash: registration.tokenHash) { workspace in
                let isNews = registration.isNews(to: workspace)
                workspace.agentCard = registration.agentCard
                workspace.url = registration.url ?? workspace.url
                workspace.lastHeartbeatAt = transaction.now
                workspace.updatedAt = transaction.now
                let arrival = LifecycleEvent.agentRegistered(url: workspace.url ?? "", cardText: registration.agentCard.text)
                if isNews, let transition = WorkspaceStatusMachine.apply(arrival, to: workspace.condition) {
                    try transaction.carryOut(transition, on: &workspace)
                } else {
                    try transaction.save(workspace)
                }
                return workspace
            }
        }
    }

    func updateCard(_ card: JSONValue, of id: WorkspaceID, tokenHash: [UInt8]) async throws -> Result<Void, AgentRefusal> {
        let stored: Result<Workspace, AgentRefusal> = try await database.write { transaction in
            try transaction.asAgent(of: id, tokenHash: tokenHash) { workspace in
                let isNews = workspace.agentCard != card
                workspace.agentCard = card
                workspace.updatedAt = transaction.now
                try transaction.save(workspace)
                guard isNews else { return workspace }
                try transaction.emit(.agentCardUpdated, ["agent_card": card], for: id)
                return workspace
            }
        }
        return stored.map { _ in () }
    }

    func tokenOwner(_ hash: [UInt8]) async throws -> TokenOwner? {
        let rows = try await database.read { sql in
            try sql.run(
                """
                SELECT t.workspace_id, t.generation, w.status, t.revoked_at
                FROM workspace_tokens t JOIN workspaces w ON w.id = t.workspace_id WHERE t.hash = $1
                """, [.bytes(hash)])
        }
        guard let row = rows.first else { return nil }
        guard let id = row[0].text.flatMap(WorkspaceID.init), let generation = row[1].int else { throw RowReader.damaged }
        return TokenOwner(
            workspaceID: id, generation: Int(generation), removed: row[2] == .text(WorkspaceStatus.removed.rawValue),
            revoked: row[3] != .null)
    }
}

extension SQLConnection {
    /// Why an agent with this token may not write to the row; nil when it may. A token that was good once is told what became of its
    /// workspace, a stranger's is not.
    func refusal(of id: WorkspaceID, tokenHash: [UInt8]) throws -> AgentRefusal? {
        guard let row = try run("SELECT status, generation FROM workspaces WHERE id = $1", [.text(id.text)]).first else {
            return .workspaceMissing
        }
        let tokens = try run(
            "SELECT generation, revoked_at FROM workspace_tokens WHERE hash = $1 AND workspace_id = $2",
            [.bytes(tokenHash), .text(id.text)])
        guard let token = tokens.first else { return .tokenInvalid }
        if row[0] == .text(WorkspaceStatus.removed.rawValue) { return .workspaceRemoved }
        if token[0] != row[1] { return .staleGeneration }
        return token[1] == .null ? nil : .tokenInvalid
    }
}

extension Transaction {
    /// Runs `body` on the locked row when the token is this row's current one, and notes that the token was used.
    fileprivate func asAgent(of id: WorkspaceID, tokenHash: [UInt8], _ body: (inout Workspace) throws -> Workspace) throws
        -> Result<Workspace, AgentRefusal>
    {
        guard var workspace = try lock(id) else { return .failure(.workspaceMissing) }
        if let refusal = try sql.refusal(of: id, tokenHash: tokenHash) { return .failure(refusal) }
        try noteUse(of: tokenHash)
        return .success(try body(&workspace))
    }

    /// At most one write a minute: the time is for people, who look at it rarely.
    func noteUse(of tokenHash: [UInt8]) throws {
        try sql.run(
            "UPDATE workspace_tokens SET last_used_at = $2 WHERE hash = $1 AND (last_used_at IS NULL OR last_used_at + 60000000 <= $2)",
            [.bytes(tokenHash), .int(now.microseconds)])
    }
}
