internal import Model

/// PostgreSQL: four connections for transactions and reads, and one that carries nothing but beats, in batches.
final class PostgresDatabase: Database {
    let dialect = SQLDialect.postgres
    private let pool: WorkerThreads<PoolJob>
    private let beats: WorkerThreads<QueuedBeat>
    private let order: CommitOrder
    private let clock: any TimeSource
    private let log: any LogSink

    private static let poolSize = 4
    private static let largestBatch = 128
    /// Jobs that waited longer than this are answered without being tried: their callers have given up.
    private static let queuePatience = Duration.seconds(15)

    private typealias PoolJob = @Sendable (PostgresSession) -> Void

    /// Connects, migrates, and starts the threads.
    static func open(
        _ url: String, clock: any TimeSource, random: any RandomSource, log: any LogSink,
        onCommitted: @escaping @Sendable ([WorkspaceEvent]) -> Void
    ) async throws -> PostgresDatabase {
        let target = try PostgresTarget(url)
        try await onOwnThread {
            do {
                // Another daemon may be migrating: that is worth waiting for.
                let connection = try PostgresConnection(target, connectPatience: .seconds(5), patience: .seconds(60))
                try Migrator().run(on: connection, now: clock.now())
            } catch let failure as SQLFailure {
                log.error("the database could not be opened", ("cause", failure.message))
                throw openingError(failure)
            }
        }
        return PostgresDatabase(target, clock: clock, random: random, log: log, order: CommitOrder(onCommitted))
    }

    private init(_ target: PostgresTarget, clock: any TimeSource, random: any RandomSource, log: any LogSink, order: CommitOrder) {
        self.clock = clock
        self.log = log
        self.order = order
        pool = WorkerThreads(count: Self.poolSize) { _ in
            let session = PostgresSession(target, random: random, log: log)
            return { jobs in for job in jobs { job(session) } }
        }
        beats = WorkerThreads(count: 1, batch: Self.largestBatch) { _ in
            let session = PostgresSession(target, random: random, log: log)
            let pipeline = BeatPipeline(session: session, clock: clock, order: order)
            return { pipeline.run($0) }
        }
    }

    private static func openingError(_ failure: SQLFailure) -> StoreError {
        switch failure.kind {
        case .connectionLost, .inaccessible:
            StoreError(
                .databaseUnreachable, "the PostgreSQL server named by DATABASE_URL cannot be reached, or does not let us in",
                next: "Check that it runs, and that host, user, password and database are right; the daemon's log has the server's words.")
        case .full: .diskFull
        case .locked, .conflict:
            StoreError(
                .databaseLocked, "another session holds the database's migration lock",
                next: "Wait until the other berthd has started, or end the session that holds the lock, then start again.")
        case .invalid, .statement:
            StoreError(
                .databaseInvalid, "the database's tables are not berthd's, or its user may not change them",
                next: "Give berthd a database of its own and a user who may create tables in it; the daemon's log has the server's words.")
        }
    }

    func read<Value: Sendable>(_ body: @escaping @Sendable (any SQLConnection) throws -> Value) async throws -> Value {
        try await onPool { session in try session.reading { try body($0) } }
    }

    func write<Value: Sendable>(_ body: @escaping @Sendable (Transaction) throws -> Value) async throws -> Value {
        let (clock, order) = (clock, order)
        return try await onPool { session in
            let ticket = order.begin()
            var events: [WorkspaceEvent] = []
            defer { order.end(ticket, events) }
            let (value, written) = try session.transaction { connection in
                let transaction = Transaction(sql: connection, now: clock.now())
                return (try body(transaction), transaction.events)
            }
            events = written
            return value
        }
    }

    func applyBeat(_ beat: Beat) async throws -> BeatRecord? {
        let log = log
        return try await withCheckedThrowingContinuation { continuation in
            let queued = QueuedBeat(beat: beat) { result in
                continuation.resume(with: result.mapError { StoreError(reporting: $0, to: log) })
            }
            if !beats.submit(queued) { continuation.resume(throwing: StoreError.unavailable) }
        }
    }

    func probe() async throws { _ = try await read { try $0.run("SELECT 1 FROM installation LIMIT 1") } }

    func close() async {
        let (pool, beats) = (pool, beats)
        // The work itself throws nothing.
        try? await onOwnThread {
            beats.finish()
            pool.finish()
        }
    }

    private func onPool<Value: Sendable>(_ work: @escaping @Sendable (PostgresSession) throws -> Value) async throws -> Value {
        let log = log
        let deadline = ContinuousClock.now + Self.queuePatience
        return try await withCheckedThrowingContinuation { continuation in
            let accepted = pool.submit { session in
                let result = Result {
                    guard ContinuousClock.now < deadline else { throw StoreError.unavailable }
                    return try work(session)
                }
                continuation.resume(with: result.mapError { StoreError(reporting: $0, to: log) })
            }
            if !accepted { continuation.resume(throwing: StoreError.unavailable) }
        }
    }
}
