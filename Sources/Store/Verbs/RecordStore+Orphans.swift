internal import Model

extension RecordStore {
    func statuses(of ids: [WorkspaceID]) async throws -> [WorkspaceID: WorkspaceStatus] {
        try await database.read { sql in
            var found: [WorkspaceID: WorkspaceStatus] = [:]
            for start in stride(from: 0, to: ids.count, by: StatusLookup.width) {
                for row in try sql.run(StatusLookup.select, StatusLookup.parameters(ids[start...])) {
                    guard let id = row[0].text.flatMap(WorkspaceID.init), let status = row[1].text.flatMap(WorkspaceStatus.init(rawValue:))
                    else {
                        throw RowReader.damaged
                    }
                    found[id] = status
                }
            }
            return found
        }
    }

    func orphans() async throws -> [Orphan] {
        try await database.read { try $0.run("\(OrphanRow.select) ORDER BY workspace_id").map(OrphanRow.orphan) }
    }

    func saveOrphans(_ saved: [Orphan], forgetting forgotten: [WorkspaceID], audit: [AuditEvent]) async throws {
        var wanted: [WorkspaceID: Orphan?] = [:]
        for orphan in saved { wanted[orphan.workspaceID] = .some(orphan) }
        for id in forgotten { wanted[id] = .some(nil) }
        // In the order of ids, as every transaction that locks several rows.
        let sorted = wanted.sorted { $0.key.text < $1.key.text }
        try await database.write { transaction in
            for (id, orphan) in sorted {
                if let orphan { try transaction.save(orphan) } else { try transaction.forgetOrphan(id) }
            }
            for event in audit { try transaction.append(event) }
        }
    }

    func adopt(_ adoption: NewWorkspace, audit: AuditEvent) async throws -> Bool {
        let row = try sealed(adoption)
        return try await database.write { transaction in
            let workspace = row.workspace
            let added = try transaction.sql.run(WorkspaceRow.insertIfMissing, WorkspaceRow.values(workspace))
            if added.isEmpty { return false }
            try transaction.storeBelongings(of: row)
            try transaction.emit(.adopted, ["name": .string(workspace.name), "runtime": .string(workspace.runtime)], for: workspace.id)
            try transaction.emitAll(of: row)
            try transaction.forgetOrphan(workspace.id)
            try transaction.append(audit)
            return true
        }
    }

    func auditEvents(after sequence: Int64, limit: Int) async throws -> [AuditEvent] {
        let rows = try await database.read { sql in
            try sql.run(
                "SELECT seq, kind, workspace_id, payload, at FROM audit_events WHERE seq > $1 ORDER BY seq LIMIT $2",
                [.int(sequence), SQLValue(limit)])
        }
        return try rows.map(AuditEvent.init)
    }
}

/// Many ids in one round trip. Every lookup has the same width, so that one prepared statement serves all.
private enum StatusLookup {
    static let width = 100
    static let select =
        "SELECT id, status FROM workspaces WHERE id IN (\((1...width).map { "$\($0)" }.joined(separator: ", ")))"

    static func parameters(_ ids: ArraySlice<WorkspaceID>) -> [SQLValue] {
        let values = ids.prefix(width).map { SQLValue.text($0.text) }
        return values + Array(repeating: .null, count: width - values.count)
    }
}

extension Transaction {
    fileprivate func save(_ orphan: Orphan) throws { try sql.run(OrphanRow.save, OrphanRow.values(orphan)) }

    fileprivate func forgetOrphan(_ id: WorkspaceID) throws { try sql.run("DELETE FROM orphans WHERE workspace_id = $1", [.text(id.text)]) }

    /// Appends under the next sequence of the database.
    func append(_ event: AuditEvent) throws {
        try sql.run(
            "INSERT INTO audit_events (seq, kind, workspace_id, payload, at) VALUES ($1, $2, $3, $4, $5)",
            [
                .int(try count(.auditEvents)), .text(event.kind.rawValue), SQLValue(event.workspaceID?.text),
                .text(JSONValue.object(event.payload).text), .int(event.at.microseconds),
            ])
    }
}

extension AuditEvent {
    fileprivate init(_ row: SQLRow) throws {
        var reader = RowReader(row)
        let sequence = Int64(reader.int())
        guard let kind = Kind(rawValue: reader.text()) else { throw RowReader.damaged }
        let id = reader.optionalText().flatMap(WorkspaceID.init)
        let payload = reader.json()?.object ?? JSONObject()
        guard let at = reader.time() else { throw RowReader.damaged }
        self.init(sequence: sequence, kind: kind, workspaceID: id, at: at, payload: payload)
    }
}
