internal import Glibc
internal import Model

/// SQLite in WAL mode: one writer thread with group commit and two reader threads.
final class SQLiteDatabase: Database {
    let dialect = SQLDialect.sqlite
    private let file: SQLiteFile
    private let writer: WorkerThreads<any QueuedWrite>
    private let readers: WorkerThreads<ReadJob>
    private let log: any LogSink

    /// More verbs than this are never put into one commit.
    private static let largestGroup = 512
    private static let readerCount = 2
    /// How long another process may hold the file before a verb gives up.
    static let busyMilliseconds: Int32 = 2_000

    typealias ReadJob = @Sendable (Result<SQLiteConnection, StoreError>) -> Void

    /// Opens or makes the file, on a thread of its own, and migrates it.
    static func open(_ path: String, clock: any TimeSource, log: any LogSink, onCommitted: @escaping @Sendable ([WorkspaceEvent]) -> Void)
        async throws -> SQLiteDatabase
    {
        let file = try SQLiteFile(preparing: path)
        try await onOwnThread {
            do {
                let connection = try connect(path)
                try Migrator().run(on: connection, now: clock.now())
            } catch let failure as SQLFailure {
                log.error("the database could not be opened", ("path", path), ("cause", failure.message))
                throw openingError(failure)
            }
        }
        return SQLiteDatabase(file: file, clock: clock, log: log, onCommitted: onCommitted)
    }

    private init(file: SQLiteFile, clock: any TimeSource, log: any LogSink, onCommitted: @escaping @Sendable ([WorkspaceEvent]) -> Void) {
        self.file = file
        self.log = log
        writer = WorkerThreads(count: 1, batch: Self.largestGroup) { _ in
            let group = GroupCommit(file: file, clock: clock, log: log, onCommitted: onCommitted) { try Self.connect(file.path) }
            return { group.run($0) }
        }
        readers = WorkerThreads(count: Self.readerCount) { _ in
            var connection: SQLiteConnection?
            return { jobs in
                let opened = Self.reader(&connection, file.path, log)
                for job in jobs { job(opened) }
            }
        }
    }

    private static func connect(_ path: String) throws -> SQLiteConnection {
        let connection = try SQLiteConnection(path, readOnly: false, busyMilliseconds: busyMilliseconds)
        // FULL keeps every commit through a power cut; a large checkpoint interval makes its stalls rare.
        try connection.script(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 16000; PRAGMA foreign_keys = ON")
        return connection
    }

    private static func reader(_ kept: inout SQLiteConnection?, _ path: String, _ log: any LogSink) -> Result<SQLiteConnection, StoreError>
    {
        if let kept { return .success(kept) }
        do {
            let opened = try SQLiteConnection(path, readOnly: true, busyMilliseconds: busyMilliseconds)
            try opened.script("PRAGMA query_only = ON")
            kept = opened
            return .success(opened)
        } catch {
            log.error("the database could not be opened for reading", ("cause", "\(error)"))
            return .failure(.unavailable)
        }
    }

    /// What somebody who starts the daemon is told about a file that does not open.
    private static func openingError(_ failure: SQLFailure) -> StoreError {
        switch failure.kind {
        case .locked:
            StoreError(
                .databaseLocked, "another process holds the database locked",
                next: "Stop the other process (is a second berthd running?), then start again.")
        case .inaccessible, .connectionLost: SQLiteFile.unusable
        case .full: .diskFull
        case .invalid, .statement, .conflict:
            StoreError(
                .databaseInvalid, "the file is not a database of berthd's, or it is damaged",
                next: "Restore it from a backup, or move it away to begin with an empty one.")
        }
    }

    func read<Value: Sendable>(_ body: @escaping @Sendable (any SQLConnection) throws -> Value) async throws -> Value {
        let log = log
        return try await withCheckedThrowingContinuation { continuation in
            let accepted = readers.submit { opened in
                continuation.resume(with: Result { try body(opened.get()) }.mapError { StoreError(reporting: $0, to: log) })
            }
            if !accepted { continuation.resume(throwing: StoreError.unavailable) }
        }
    }

    func write<Value: Sendable>(_ body: @escaping @Sendable (Transaction) throws -> Value) async throws -> Value {
        let log = log
        return try await withCheckedThrowingContinuation { continuation in
            let write = PendingWrite(body) { result in continuation.resume(with: result.mapError { StoreError(reporting: $0, to: log) }) }
            if !writer.submit(write) { continuation.resume(throwing: StoreError.unavailable) }
        }
    }

    func applyBeat(_ beat: Beat) async throws -> BeatRecord? { try await write { try $0.applyBeat(beat) } }

    func probe() async throws {
        guard file.isInPlace else { throw SQLiteFile.lost }
        // A disk without room lets every read pass, and SQLite writes nothing for an update that changes nothing: so probes are counted.
        _ = try await write { try $0.count(.probes) }
    }

    func close() async {
        let (writer, readers) = (writer, readers)
        // The work itself throws nothing. The writer's connection goes last: it is the one that can fold the journal into the file.
        try? await onOwnThread {
            readers.finish()
            writer.finish()
        }
    }
}
