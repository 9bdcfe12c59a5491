internal import Model

extension RecordStore {
    func installationSeenAt() async throws -> Timestamp {
        let instance = instance
        return try await database.read { sql in
            let rows = try sql.run("SELECT first_seen_at FROM installation WHERE instance_id = $1", [.text(instance.text)])
            guard let seenAt = rows.first?.first?.int else { throw StoreError.forgotten }
            return Timestamp(microseconds: seenAt)
        }
    }

    /// Asks the database, and whether it still is the one that was opened: one that was emptied answers just as well.
    func probe() async throws {
        try await database.probe()
        _ = try await installationSeenAt()
    }
}

extension Transaction {
    /// Writes down that `instance` uses this database; true when it was not known here. Throws `database_foreign`, with nothing written,
    /// when the workspaces in it can only be somebody else's: to this installation's eyes they would have lost all their containers.
    func introduce(_ instance: InstanceID) throws -> Bool {
        let known = try sql.run("SELECT instance_id FROM installation ORDER BY first_seen_at, instance_id").compactMap(\.first?.text)
        if known.contains(instance.text) { return false }
        if !known.isEmpty, try !sql.run("SELECT 1 FROM workspaces LIMIT 1").isEmpty { throw StoreError.foreign(known) }
        let added = try sql.run(
            "INSERT INTO installation (instance_id, first_seen_at) VALUES ($1, $2) ON CONFLICT (instance_id) DO NOTHING RETURNING 1",
            [.text(instance.text), .int(now.microseconds)])
        return !added.isEmpty
    }
}

extension StoreError {
    fileprivate static func foreign(_ known: [String]) -> StoreError {
        let ways = known.map { "MOLECULE_INSTANCE_ID=\($0)" }.joined(separator: " or ")
        return StoreError(
            .databaseForeign, "the database holds the workspaces of another installation",
            next: "Point DATABASE_URL or STATE_DIR to this installation's own database. If this host's state directory was lost and the "
                + "database is the right one, start with \(ways).")
    }

    fileprivate static let forgotten = StoreError(
        .databaseLost, "the database no longer knows this installation: it was emptied or replaced while berthd had it open",
        next: "Bring the right database back, then restart berthd.")
}
