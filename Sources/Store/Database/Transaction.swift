internal import Model

/// What one domain verb works with while its transaction is open. Lives on one database thread.
final class Transaction {
    let sql: any SQLConnection
    let now: Timestamp
    /// Events written by this transaction, in the order of their sequences.
    private(set) var events: [WorkspaceEvent] = []

    init(sql: any SQLConnection, now: Timestamp) {
        self.sql = sql
        self.now = now
    }

    /// Appends a durable event under the next sequence of its workspace. The counter sits in the workspace's row: raising it locks the
    /// row until commit, so sequences have no gaps and commit in their order.
    func emit(_ kind: EventKind, _ payload: JSONObject, for id: WorkspaceID) throws {
        let raised = try sql.run(
            "UPDATE workspaces SET event_seq = event_seq + 1 WHERE id = $1 RETURNING event_seq", [.text(id.text)])
        guard let sequence = raised.first?.first?.int else {
            throw StoreError(.workspaceNotFound, "workspace not found")
        }
        try sql.run(
            "INSERT INTO events (workspace_id, seq, kind, payload, at) VALUES ($1, $2, $3, $4, $5)",
            [.text(id.text), .int(sequence), .text(kind.rawValue), .text(JSONValue.object(payload).text), .int(now.microseconds)])
        events.append(WorkspaceEvent(workspaceID: id, sequence: sequence, kind: kind, at: now, payload: payload))
    }

    /// Raises a counter and gives its new value. The row stays locked until commit, so numbers have no gaps and commit in their order;
    /// verbs count last, so that nobody who holds a counter waits for a row.
    func count(_ counter: Counter) throws -> Int64 {
        let raised = try sql.run("UPDATE counters SET value = value + 1 WHERE name = $1 RETURNING value", [.text(counter.rawValue)])
        guard let value = raised.first?.first?.int else { throw RowReader.damaged }
        return value
    }

    /// Adds an event that a statement has already stored.
    func note(_ event: WorkspaceEvent) { events.append(event) }
}

/// What is counted over the whole database.
enum Counter: String {
    case operations, probes
    case auditEvents = "audit_events"
}

/// A database that runs domain verbs: SQLite or PostgreSQL. All throw `StoreError`.
protocol Database: Sendable {
    var dialect: SQLDialect { get }
    /// Runs `body` on a connection that only reads.
    func read<Value: Sendable>(_ body: @escaping @Sendable (any SQLConnection) throws -> Value) async throws -> Value
    /// Runs `body` in a transaction, commits it, hands its events on, and returns. `body` may run again when transactions collide.
    func write<Value: Sendable>(_ body: @escaping @Sendable (Transaction) throws -> Value) async throws -> Value
    /// Applies a beat in one statement or one group commit; nil when token, generation or row did not match.
    func applyBeat(_ beat: Beat) async throws -> BeatRecord?
    func probe() async throws
    func close() async
}
