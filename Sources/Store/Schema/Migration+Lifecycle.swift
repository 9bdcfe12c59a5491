extension Migration {
    /// SQLite cannot alter a CHECK, so the wider one comes with a new column that takes the old one's values and name. The counters are
    /// rows because a row lock counts without gaps and in the order of commits, which no database's own sequence does.
    static let lifecycle = Migration(
        version: 2, name: "hibernation, operations, orphans, audit events",
        sql: """
            ALTER TABLE workspaces ADD COLUMN hibernation_idle_minutes BIGINT;
            ALTER TABLE workspaces ADD COLUMN last_work_at BIGINT;
            ALTER TABLE workspaces ADD COLUMN adopted_at BIGINT;
            ALTER TABLE workspaces ADD COLUMN wider_cause TEXT CHECK (wider_cause IN ('wedged', 'error_rate', 'register_timeout',
                'crash_loop', 'provision'));
            UPDATE workspaces SET wider_cause = cause;
            ALTER TABLE workspaces DROP COLUMN cause;
            ALTER TABLE workspaces RENAME COLUMN wider_cause TO cause;
            CREATE TABLE counters (
                name TEXT PRIMARY KEY,
                value BIGINT NOT NULL
            );
            INSERT INTO counters (name, value) VALUES ('operations', 0), ('audit_events', 0), ('probes', 0);
            CREATE TABLE operations (
                id BIGINT PRIMARY KEY,
                workspace_id TEXT NOT NULL,
                kind TEXT NOT NULL,
                state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'interrupted')),
                reason TEXT,
                code TEXT,
                requested_at BIGINT NOT NULL,
                started_at BIGINT,
                ended_at BIGINT
            );
            CREATE INDEX operations_workspace ON operations (workspace_id, id);
            CREATE INDEX operations_open ON operations (id) WHERE state IN ('queued', 'running');
            CREATE TABLE orphans (
                workspace_id TEXT PRIMARY KEY,
                container_id TEXT,
                name TEXT NOT NULL,
                runtime TEXT NOT NULL,
                template TEXT NOT NULL,
                tier BIGINT NOT NULL,
                parent_id TEXT,
                generation BIGINT NOT NULL,
                cause TEXT NOT NULL CHECK (cause IN ('row_removed', 'row_missing', 'database_new')),
                state TEXT NOT NULL CHECK (state IN ('found', 'restored', 'confirmed', 'quarantined')),
                created_at BIGINT,
                first_seen_at BIGINT NOT NULL,
                quarantined_at BIGINT
            );
            CREATE TABLE audit_events (
                seq BIGINT PRIMARY KEY,
                kind TEXT NOT NULL,
                workspace_id TEXT,
                payload TEXT NOT NULL,
                at BIGINT NOT NULL
            );
            """)
}
