/// One step of the schema. Steps are numbered from 1 without gaps and never change once released.
struct Migration: Sendable {
    let version: Int64
    let name: String
    /// `BYTES` stands for the dialect's type of byte strings; the rest is SQL that both databases read the same way. Times are microseconds
    /// since 1970, truth values 0 and 1, and JSON is text: a database's own JSON type would rewrite numbers and reorder members.
    let sql: String

    func sql(for dialect: SQLDialect) -> String {
        sql.split(separator: "BYTES", omittingEmptySubsequences: false).joined(separator: dialect.bytesType)
    }

    static let all: [Migration] = [workspaces, lifecycle, images]
}

extension Migration {
    private static let workspaces = Migration(
        version: 1, name: "workspaces, tokens, secrets, events",
        sql: """
            CREATE TABLE installation (
                instance_id TEXT PRIMARY KEY,
                first_seen_at BIGINT NOT NULL
            );
            CREATE TABLE workspaces (
                id TEXT PRIMARY KEY,
                name TEXT NOT NULL,
                role TEXT,
                tier BIGINT NOT NULL,
                status TEXT NOT NULL CHECK (status IN ('provisioning', 'online', 'offline', 'degraded', 'failed', 'removed', 'paused',
                    'hibernated', 'hibernating', 'awaiting_agent')),
                cause TEXT CHECK (cause IN ('wedged', 'error_rate', 'register_timeout', 'provision')),
                runtime TEXT NOT NULL,
                template TEXT,
                model TEXT,
                image TEXT,
                external BIGINT NOT NULL,
                parent_id TEXT,
                generation BIGINT NOT NULL,
                provision_started_at BIGINT,
                container_id TEXT,
                agent_card TEXT,
                url TEXT,
                workspace_dir TEXT,
                workspace_access TEXT NOT NULL CHECK (workspace_access IN ('none', 'read_only', 'read_write')),
                awareness_namespace TEXT NOT NULL,
                max_concurrent_tasks BIGINT NOT NULL,
                active_tasks BIGINT NOT NULL,
                current_task TEXT NOT NULL,
                uptime_seconds BIGINT NOT NULL,
                last_error_rate DOUBLE PRECISION NOT NULL,
                last_sample_error TEXT NOT NULL,
                last_heartbeat_at BIGINT,
                last_outbound_at BIGINT,
                monthly_spend BIGINT NOT NULL,
                budget_limit BIGINT,
                idle_timeout_seconds BIGINT,
                capabilities TEXT NOT NULL,
                manages_status BIGINT NOT NULL,
                failure_code TEXT,
                failure_message TEXT,
                failure_next TEXT,
                failure_exit_code BIGINT,
                failure_log_tail TEXT,
                failure_at BIGINT,
                pending_cleanup BIGINT NOT NULL,
                canvas_x DOUBLE PRECISION NOT NULL,
                canvas_y DOUBLE PRECISION NOT NULL,
                collapsed BIGINT NOT NULL,
                created_at BIGINT NOT NULL,
                updated_at BIGINT NOT NULL,
                event_seq BIGINT NOT NULL DEFAULT 0
            );
            CREATE INDEX workspaces_parent ON workspaces (parent_id);
            CREATE INDEX workspaces_pending_cleanup ON workspaces (id) WHERE pending_cleanup = 1;
            CREATE TABLE workspace_tokens (
                hash BYTES PRIMARY KEY,
                prefix TEXT NOT NULL,
                workspace_id TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
                generation BIGINT NOT NULL,
                created_at BIGINT NOT NULL,
                last_used_at BIGINT,
                revoked_at BIGINT
            );
            CREATE INDEX workspace_tokens_workspace ON workspace_tokens (workspace_id);
            CREATE TABLE workspace_secrets (
                workspace_id TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
                kind TEXT NOT NULL CHECK (kind IN ('env', 'file')),
                name TEXT NOT NULL,
                sealed BYTES NOT NULL,
                format BIGINT NOT NULL,
                PRIMARY KEY (workspace_id, kind, name)
            );
            CREATE TABLE events (
                workspace_id TEXT NOT NULL,
                seq BIGINT NOT NULL,
                kind TEXT NOT NULL,
                payload TEXT NOT NULL,
                at BIGINT NOT NULL,
                PRIMARY KEY (workspace_id, seq)
            );
            """)
}
