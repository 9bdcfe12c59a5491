internal import Model

/// An orphan as a row: one list of columns, written and read in the same order.
enum OrphanRow {
    private static let columns = [
        "workspace_id", "container_id", "name", "runtime", "template", "tier", "parent_id", "generation", "cause", "state", "created_at",
        "first_seen_at", "quarantined_at", "awaits_decision",
    ]

    static let select = "SELECT \(columns.joined(separator: ", ")) FROM orphans"
    /// Inserts, or replaces what is known of the same workspace.
    static let save = """
        INSERT INTO orphans (\(columns.joined(separator: ", "))) VALUES (\(columns.indices.map { "$\($0 + 1)" }.joined(separator: ", ")))
        ON CONFLICT (workspace_id) DO UPDATE SET \(columns.dropFirst().map { "\($0) = excluded.\($0)" }.joined(separator: ", "))
        """

    static func values(_ orphan: Orphan) -> [SQLValue] {
        [
            .text(orphan.workspaceID.text), SQLValue(orphan.containerID), .text(orphan.name), .text(orphan.runtime), .text(orphan.template),
            SQLValue(orphan.tier), SQLValue(orphan.parentID?.text), SQLValue(orphan.generation), .text(orphan.cause.rawValue),
            .text(orphan.state.rawValue), SQLValue(orphan.createdAt?.microseconds), .int(orphan.firstSeenAt.microseconds),
            SQLValue(orphan.quarantinedAt?.microseconds), SQLValue(orphan.awaitsDecision),
        ]
    }

    /// Reads a row of `select`. Throws `database_invalid` when it holds what no version of this program writes.
    static func orphan(_ row: SQLRow) throws -> Orphan {
        var reader = RowReader(row)
        guard let id = WorkspaceID(reader.text()) else { throw RowReader.damaged }
        let containerID = reader.optionalText()
        var labels = WorkspaceLabels(
            workspace: Workspace(
                id: id, name: reader.text(), runtime: reader.text(), condition: WorkspaceCondition(.removed),
                createdAt: Timestamp(microseconds: 0)))
        labels.templateID = reader.text()
        labels.tierNumber = reader.int()
        labels.parentID = reader.optionalText().flatMap(WorkspaceID.init)
        labels.generationNumber = reader.int()
        guard let cause = Orphan.Cause(rawValue: reader.text()), let state = Orphan.State(rawValue: reader.text()) else {
            throw RowReader.damaged
        }
        let createdAt = reader.time()
        guard let firstSeenAt = reader.time() else { throw RowReader.damaged }
        var orphan = Orphan(
            labels: labels, containerID: containerID, cause: cause, state: state, createdAt: createdAt, firstSeenAt: firstSeenAt)
        orphan.quarantinedAt = reader.time()
        orphan.awaitsDecision = reader.bool()
        return orphan
    }
}
