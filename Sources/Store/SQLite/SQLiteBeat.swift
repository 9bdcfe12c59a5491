internal import Model

extension Transaction {
    /// A beat inside a group commit: three statements on rows that are in memory cost less than one clever one.
    func applyBeat(_ beat: Beat) throws -> BeatRecord? {
        guard let row = try sql.run(Self.beatSelect, [.bytes(beat.tokenHash), .text(beat.workspaceID.text)]).first else { return nil }
        guard let status = row[0].text, let oldTask = row[3].text else { throw RowReader.damaged }
        let columns = BeatColumns(beat)
        let from = try WorkspaceRow.condition(status: status, cause: row[1].text)
        let selfManaged = columns.managesStatus ?? (row[2] == .int(1))
        let transition = selfManaged ? beat.movesWhenSelfManaged[from] : beat.moves[from]
        let to = transition?.to ?? from
        let stored = try sql.run(Self.beatUpdate, Self.parameters(beat.workspaceID, columns, to, at: now))
        guard let after = stored.first else { return nil }
        if let emission = transition?.emission { try emit(emission.kind, emission.payload, for: beat.workspaceID) }
        let lastUsed = row[4].int
        if lastUsed.map({ $0 <= now.microseconds - 60_000_000 }) ?? true { try noteUse(of: beat.tokenHash) }
        return BeatRecord(after: after[...], condition: to, oldTask: oldTask)
    }

    private static let beatSelect = """
        SELECT w.status, w.cause, w.manages_status, w.current_task, t.last_used_at
        FROM workspace_tokens t JOIN workspaces w ON w.id = t.workspace_id
        WHERE t.hash = $1 AND t.workspace_id = $2 AND t.revoked_at IS NULL AND t.generation = w.generation AND w.status <> 'removed'
        """

    private static let beatUpdate = """
        UPDATE workspaces SET last_heartbeat_at = $2, updated_at = $2, status = $3, cause = $4,
            last_error_rate = COALESCE($5, last_error_rate), last_sample_error = COALESCE($6, last_sample_error),
            active_tasks = COALESCE($7, active_tasks), uptime_seconds = COALESCE($8, uptime_seconds),
            current_task = COALESCE($9, current_task), monthly_spend = COALESCE($10, monthly_spend),
            idle_timeout_seconds = CASE WHEN $12 IS NULL THEN idle_timeout_seconds ELSE $11 END,
            capabilities = COALESCE($12, capabilities), manages_status = COALESCE($13, manages_status),
            last_work_at = CASE WHEN COALESCE($7, active_tasks) > 0 OR COALESCE($9, current_task) <> current_task THEN $2
                ELSE last_work_at END,
            failure_code = CASE WHEN $3 = 'failed' THEN failure_code END,
            failure_message = CASE WHEN $3 = 'failed' THEN failure_message END,
            failure_next = CASE WHEN $3 = 'failed' THEN failure_next END,
            failure_exit_code = CASE WHEN $3 = 'failed' THEN failure_exit_code END,
            failure_log_tail = CASE WHEN $3 = 'failed' THEN failure_log_tail END,
            failure_at = CASE WHEN $3 = 'failed' THEN failure_at END
        WHERE id = $1
        RETURNING active_tasks, uptime_seconds, current_task, max_concurrent_tasks
        """

    private static func parameters(_ id: WorkspaceID, _ columns: BeatColumns, _ to: WorkspaceCondition, at now: Timestamp) -> [SQLValue] {
        [
            .text(id.text), .int(now.microseconds), .text(to.status.rawValue), SQLValue(to.cause?.rawValue), SQLValue(columns.errorRate),
            SQLValue(columns.sampleError), SQLValue(columns.activeTasks), SQLValue(columns.uptimeSeconds), SQLValue(columns.currentTask),
            SQLValue(columns.monthlySpend), SQLValue(columns.idleTimeoutSeconds), SQLValue(columns.capabilities),
            columns.managesStatus.map(SQLValue.init) ?? .null,
        ]
    }
}

extension BeatRecord {
    /// `after` begins with active tasks, uptime, current task and the most tasks at once.
    init(after: ArraySlice<SQLValue>, condition: WorkspaceCondition, oldTask: String) {
        var reader = RowReader(Array(after))
        let active = reader.int()
        let uptime = reader.int()
        let task = reader.text()
        self.init(
            condition: condition, activeTasks: active, uptimeSeconds: uptime, currentTask: task, taskChanged: task != oldTask,
            spareTasks: max(0, reader.int() - active))
    }
}
