extension Migration {
    static let images = Migration(
        version: 3, name: "image versions, refreshes, kept containers; orphans that wait for a decision",
        sql: """
            ALTER TABLE workspaces ADD COLUMN image_id TEXT;
            ALTER TABLE workspaces ADD COLUMN image_digest TEXT;
            ALTER TABLE workspaces ADD COLUMN kept_container_id TEXT;
            ALTER TABLE workspaces ADD COLUMN kept_generation BIGINT;
            ALTER TABLE workspaces ADD COLUMN canary BIGINT NOT NULL DEFAULT 0;
            ALTER TABLE orphans ADD COLUMN awaits_decision BIGINT NOT NULL DEFAULT 0;
            CREATE TABLE images (
                reference TEXT PRIMARY KEY,
                observed_digest TEXT,
                checked_at BIGINT,
                check_code TEXT,
                check_message TEXT,
                check_failed_at BIGINT,
                current_id TEXT,
                current_digest TEXT,
                previous_id TEXT,
                previous_digest TEXT,
                refused_digest TEXT,
                refused_code TEXT,
                refused_message TEXT,
                refused_at BIGINT,
                refused_tries BIGINT NOT NULL,
                rollout_state TEXT CHECK (rollout_state IN ('pulling', 'proving', 'rolling', 'done', 'refused', 'failed')),
                rollout_target TEXT,
                rollout_recreates BIGINT NOT NULL,
                rollout_back BIGINT NOT NULL,
                rollout_started_at BIGINT,
                rollout_ended_at BIGINT,
                rollout_done BIGINT NOT NULL,
                rollout_total BIGINT NOT NULL,
                rollout_code TEXT,
                rollout_message TEXT,
                rollout_failed_at BIGINT
            );
            CREATE TABLE retired_images (
                id TEXT PRIMARY KEY,
                reference TEXT NOT NULL,
                digest TEXT,
                since BIGINT NOT NULL
            );
            """)
}
