internal import Model

extension RecordStore {
    func openOperation(_ kind: WorkspaceOperation.Kind, on id: WorkspaceID, reason: String?) async throws -> Int64 {
        try await database.write { transaction in
            let number = try transaction.count(.operations)
            try transaction.sql.run(
                "INSERT INTO operations (id, workspace_id, kind, state, reason, requested_at) VALUES ($1, $2, $3, 'queued', $4, $5)",
                [.int(number), .text(id.text), .text(kind.rawValue), SQLValue(reason), .int(transaction.now.microseconds)])
            return number
        }
    }

    func markOperation(_ operation: Int64, _ state: WorkspaceOperation.State, code: ErrorCode?, reason: String?) async throws {
        try await database.write { transaction in
            let now = transaction.now.microseconds
            _ = try transaction.sql.run(
                """
                UPDATE operations SET state = $2, code = $3, reason = COALESCE($4, reason), started_at = COALESCE(started_at, $5),
                    ended_at = $6
                WHERE id = $1 AND state IN ('queued', 'running')
                """,
                [
                    .int(operation), .text(state.rawValue), SQLValue(code?.rawValue), SQLValue(reason),
                    state == .running ? .int(now) : .null, state.isOver ? .int(now) : .null,
                ])
        }
    }

    func operations(of id: WorkspaceID, limit: Int) async throws -> [WorkspaceOperation] {
        let rows = try await database.read { sql in
            try sql.run(
                """
                SELECT id, kind, state, reason, code, requested_at, started_at, ended_at
                FROM operations WHERE workspace_id = $1 ORDER BY id DESC LIMIT $2
                """, [.text(id.text), SQLValue(limit)])
        }
        return try rows.map { try WorkspaceOperation($0, of: id) }
    }

    func interruptOperations() async throws {
        try await database.write { transaction in
            _ = try transaction.sql.run(
                "UPDATE operations SET state = 'interrupted', ended_at = $1 WHERE state IN ('queued', 'running')",
                [.int(transaction.now.microseconds)])
        }
    }
}

extension WorkspaceOperation {
    /// Reads a row of `operations(of:limit:)`.
    fileprivate init(_ row: SQLRow, of id: WorkspaceID) throws {
        var reader = RowReader(row)
        let number = Int64(reader.int())
        guard let kind = Kind(rawValue: reader.text()), let state = State(rawValue: reader.text()) else { throw RowReader.damaged }
        let reason = reader.optionalText()
        let code = reader.optionalText().map { ErrorCode(rawValue: $0) ?? .internalError }
        guard let requestedAt = reader.time() else { throw RowReader.damaged }
        self.init(
            id: number, workspaceID: id, kind: kind, state: state, reason: reason, code: code, requestedAt: requestedAt,
            startedAt: reader.time(), endedAt: reader.time())
    }
}
