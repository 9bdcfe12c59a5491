internal import Model

/// A beat in one statement: it matches token, live row and generation, locks the row, stores the columns, moves the status by the table
/// that came with it, and inserts the event when it moved.
enum PostgresBeat {
    static let statement = """
        WITH old AS MATERIALIZED (
            SELECT w.id, w.current_task, t.last_used_at,
                (CASE WHEN COALESCE($13::bigint, w.manages_status) = 1 THEN $15::json ELSE $14::json END)
                    -> (w.status || COALESCE('/' || w.cause, '')) AS move
            FROM workspace_tokens t JOIN workspaces w ON w.id = t.workspace_id
            WHERE t.hash = $1 AND t.workspace_id = $2 AND t.revoked_at IS NULL AND t.generation = w.generation AND w.status <> 'removed'
            FOR NO KEY UPDATE OF w
        ), beaten AS (
            UPDATE workspaces w SET last_heartbeat_at = $3::bigint, updated_at = $3::bigint,
                status = COALESCE(old.move ->> 'status', w.status),
                cause = CASE WHEN old.move IS NULL THEN w.cause ELSE old.move ->> 'cause' END,
                event_seq = w.event_seq + CASE WHEN old.move IS NULL THEN 0 ELSE 1 END,
                last_error_rate = COALESCE($4::float8, w.last_error_rate), last_sample_error = COALESCE($5, w.last_sample_error),
                active_tasks = COALESCE($6::bigint, w.active_tasks), uptime_seconds = COALESCE($7::bigint, w.uptime_seconds),
                current_task = COALESCE($8, w.current_task), monthly_spend = COALESCE($9::bigint, w.monthly_spend),
                idle_timeout_seconds = CASE WHEN $11::text IS NULL THEN w.idle_timeout_seconds ELSE $10::bigint END,
                capabilities = COALESCE($11::text, w.capabilities), manages_status = COALESCE($13::bigint, w.manages_status),
                last_work_at = CASE WHEN COALESCE($6::bigint, w.active_tasks) > 0 OR COALESCE($8, w.current_task) <> w.current_task
                    THEN $3::bigint ELSE w.last_work_at END,
                failure_code = CASE WHEN old.move IS NULL THEN w.failure_code END,
                failure_message = CASE WHEN old.move IS NULL THEN w.failure_message END,
                failure_next = CASE WHEN old.move IS NULL THEN w.failure_next END,
                failure_exit_code = CASE WHEN old.move IS NULL THEN w.failure_exit_code END,
                failure_log_tail = CASE WHEN old.move IS NULL THEN w.failure_log_tail END,
                failure_at = CASE WHEN old.move IS NULL THEN w.failure_at END
            FROM old WHERE w.id = old.id
            RETURNING w.id, w.active_tasks, w.uptime_seconds, w.current_task, w.max_concurrent_tasks, w.status, w.cause, w.event_seq,
                old.current_task AS old_task, old.move, old.last_used_at
        ), logged AS (
            INSERT INTO events (workspace_id, seq, kind, payload, at)
            SELECT id, event_seq, move ->> 'kind', move ->> 'payload', $3::bigint FROM beaten WHERE move IS NOT NULL
        ), used AS (
            UPDATE workspace_tokens t SET last_used_at = $3::bigint FROM beaten
            WHERE t.hash = $1 AND (beaten.last_used_at IS NULL OR beaten.last_used_at + $12::bigint <= $3::bigint)
        )
        SELECT active_tasks, uptime_seconds, current_task, max_concurrent_tasks, status, cause, old_task,
            CASE WHEN move IS NULL THEN NULL ELSE event_seq END, move ->> 'kind', move ->> 'payload'
        FROM beaten
        """

    static func parameters(_ beat: Beat, at now: Timestamp) -> [SQLValue] {
        let columns = BeatColumns(beat)
        return [
            .bytes(beat.tokenHash), .text(beat.workspaceID.text), .int(now.microseconds), SQLValue(columns.errorRate),
            SQLValue(columns.sampleError), SQLValue(columns.activeTasks), SQLValue(columns.uptimeSeconds), SQLValue(columns.currentTask),
            SQLValue(columns.monthlySpend), SQLValue(columns.idleTimeoutSeconds), SQLValue(columns.capabilities), .int(60_000_000),
            columns.managesStatus.map(SQLValue.init) ?? .null, table(beat.moves, unless: columns.managesStatus == true),
            table(beat.movesWhenSelfManaged, unless: columns.managesStatus == false),
        ]
    }

    /// The moves as JSON, by the key of the condition they start from. A table that cannot apply is not sent. Payloads are JSON within a
    /// JSON string: PostgreSQL unescapes whatever it walks through, and fails at a `\u0000` that an agent wrote.
    private static func table(_ moves: [WorkspaceCondition: WorkspaceStatusMachine.Transition], unless unused: Bool) -> SQLValue {
        if unused { return .null }
        var table = JSONObject()
        for (from, transition) in moves {
            guard let emission = transition.emission else { continue }
            table[from.key] = [
                "status": .string(transition.to.status.rawValue), "cause": .optional(transition.to.cause?.rawValue),
                "kind": .string(emission.kind.rawValue), "payload": .string(JSONValue.object(emission.payload).text),
            ]
        }
        return .text(JSONValue.object(table).text)
    }

    /// Reads the statement's row: what the beat found, and the event it stored.
    static func record(_ row: SQLRow, of id: WorkspaceID, at now: Timestamp) throws -> (BeatRecord, WorkspaceEvent?) {
        guard let status = row[4].text, let oldTask = row[6].text else { throw RowReader.damaged }
        let condition = try WorkspaceRow.condition(status: status, cause: row[5].text)
        let record = BeatRecord(after: row[..<4], condition: condition, oldTask: oldTask)
        guard let sequence = row[7].int, let kind = row[8].text.flatMap(EventKind.init(rawValue:)) else { return (record, nil) }
        let payload = row[9].text.flatMap { try? JSONValue(parsing: $0) }?.object ?? JSONObject()
        return (record, WorkspaceEvent(workspaceID: id, sequence: sequence, kind: kind, at: now, payload: payload))
    }
}
