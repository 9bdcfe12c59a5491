internal import Model

/// A verb waiting for the writer.
protocol QueuedWrite: AnyObject, Sendable {
    /// Runs the verb and keeps what came of it. Throws what the verb threw.
    func run(in transaction: Transaction) throws
    /// Answers the caller: with what `run` kept, or with `failure` when the commit did not happen.
    func finish(_ failure: (any Error)?)
}

/// Touched by the caller before it is queued and by the writer's thread afterwards, never by both at once.
final class PendingWrite<Value: Sendable>: QueuedWrite, @unchecked Sendable {
    private let body: @Sendable (Transaction) throws -> Value
    private let answer: @Sendable (Result<Value, any Error>) -> Void
    private var outcome: Result<Value, any Error>?

    init(_ body: @escaping @Sendable (Transaction) throws -> Value, answer: @escaping @Sendable (Result<Value, any Error>) -> Void) {
        self.body = body
        self.answer = answer
    }

    func run(in transaction: Transaction) throws {
        let result = Result { try body(transaction) }
        outcome = result
        _ = try result.get()
    }

    func finish(_ failure: (any Error)?) {
        if let failure { return answer(.failure(failure)) }
        answer(outcome ?? .failure(StoreError.unavailable))
    }
}

/// Runs whatever verbs are waiting in one transaction, so that they share one wait for the disk. A verb that fails is undone alone.
final class GroupCommit {
    private let file: SQLiteFile
    private let clock: any TimeSource
    private let log: any LogSink
    private let onCommitted: @Sendable ([WorkspaceEvent]) -> Void
    private let connect: () throws -> SQLiteConnection
    private var connection: SQLiteConnection?
    private var lost = false

    init(
        file: SQLiteFile, clock: any TimeSource, log: any LogSink, onCommitted: @escaping @Sendable ([WorkspaceEvent]) -> Void,
        connect: @escaping () throws -> SQLiteConnection
    ) {
        self.file = file
        self.clock = clock
        self.log = log
        self.onCommitted = onCommitted
        self.connect = connect
    }

    func run(_ writes: [any QueuedWrite]) {
        do {
            let events = try commit(writes)
            if !events.isEmpty { onCommitted(events) }
            for write in writes { write.finish(nil) }
        } catch {
            for write in writes { write.finish(error) }
        }
    }

    private func commit(_ writes: [any QueuedWrite]) throws -> [WorkspaceEvent] {
        try checkFile()
        let sql = try connection ?? connect()
        connection = sql
        let now = clock.now()
        return try sql.transaction {
            var events: [WorkspaceEvent] = []
            for write in writes {
                try sql.run("SAVEPOINT verb")
                let transaction = Transaction(sql: sql, now: now)
                do {
                    try write.run(in: transaction)
                    try sql.run("RELEASE verb")
                    events += transaction.events
                } catch {
                    // When even this fails the whole transaction is gone, and every verb in it is told.
                    try sql.run("ROLLBACK TO verb")
                    try sql.run("RELEASE verb")
                }
            }
            return events
        }
    }

    /// Looked at before every commit: what is written after the file was replaced would vanish with the old one.
    private func checkFile() throws {
        if !lost, !file.isInPlace {
            lost = true
            log.error("the database file was removed or replaced: nothing is written any more", ("path", file.path))
        }
        if lost { throw SQLiteFile.lost }
    }
}
