internal import Model

/// Brings a database to the newest schema this program knows.
struct Migrator {
    /// Names the advisory lock among those of other programs on the same PostgreSQL.
    static let lockNumber: Int64 = 4_850_188_374_519_890

    var migrations = Migration.all

    private var newest: Int64 { migrations.last?.version ?? 0 }

    /// Runs what is missing, each step in one transaction with its record and under the database's lock, so that two daemons started at
    /// once do it once. Throws `database_newer` and changes nothing when the database is ahead of this program.
    func run(on sql: any SQLConnection, now: Timestamp) throws {
        while try step(on: sql, now: now) {}
    }

    /// One step; false when there is none left.
    private func step(on sql: any SQLConnection, now: Timestamp) throws -> Bool {
        try sql.transaction {
            try sql.holdLock(Self.lockNumber)
            let found = try version(of: sql)
            guard found <= newest else { throw newer(found) }
            guard let next = migrations.first(where: { $0.version == found + 1 }) else { return false }
            try sql.script(next.sql(for: sql.dialect))
            try sql.run(
                "INSERT INTO schema_migrations (version, name, applied_at) VALUES ($1, $2, $3)",
                [.int(next.version), .text(next.name), .int(now.microseconds)])
            return true
        }
    }

    private func version(of sql: any SQLConnection) throws -> Int64 {
        try sql.script(
            "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)")
        return try sql.run("SELECT COALESCE(MAX(version), 0) FROM schema_migrations").first?.first?.int ?? 0
    }

    private func newer(_ found: Int64) -> StoreError {
        StoreError(
            .databaseNewer, "the database has schema version \(found), this berthd knows versions up to \(newest)",
            next: "Start the newer berthd that wrote it, or restore a copy made before the upgrade.")
    }
}
