internal import Model

extension RecordStore {
    func events(of id: WorkspaceID, after sequence: Int64, limit: Int) async throws -> [WorkspaceEvent] {
        let rows = try await database.read { sql in
            try sql.run(
                "SELECT seq, kind, payload, at FROM events WHERE workspace_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
                [.text(id.text), .int(sequence), SQLValue(limit)])
        }
        return try rows.map { row in
            guard let sequence = row[0].int, let kind = row[1].text.flatMap(EventKind.init(rawValue:)), let payload = row[2].text,
                let at = row[3].int
            else { throw RowReader.damaged }
            let members = (try? JSONValue(parsing: payload))?.object ?? JSONObject()
            return WorkspaceEvent(workspaceID: id, sequence: sequence, kind: kind, at: Timestamp(microseconds: at), payload: members)
        }
    }

    func lastSequence(of id: WorkspaceID) async throws -> Int64? {
        try await database.read { try $0.run("SELECT event_seq FROM workspaces WHERE id = $1", [.text(id.text)]).first?.first?.int }
    }
}
