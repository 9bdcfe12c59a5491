internal import CPostgres
internal import Glibc
internal import Model

/// One PostgreSQL connection, driven without blocking inside libpq: every wait is a poll with a deadline, so that a server that stops
/// answering costs its caller a bounded time. Used by one thread.
final class PostgresConnection: SQLConnection {
    let dialect = SQLDialect.postgres
    let handle: OpaquePointer
    private let patience: Duration
    private var statements: [String: String] = [:]

    /// Connects within `connectPatience`; each later wait lasts at most `patience`.
    init(_ target: PostgresTarget, connectPatience: Duration = .seconds(3), patience: Duration = .seconds(6)) throws {
        handle = try Self.connect(target, deadline: .now + connectPatience)
        self.patience = patience
        PQsetNoticeProcessor(handle, { _, _ in }, nil)
        guard PQsetnonblocking(handle, 1) == 0 else { throw lost("the connection cannot be made non-blocking") }
        // Every statement finds its rows by key: one plan fits all parameters, and planning would cost more than running.
        try script("SET client_min_messages = warning; SET plan_cache_mode = force_generic_plan")
        // The server's own limits fire before ours, so that a slow statement ends with an answer rather than with a lost connection; and
        // the one for locks first, so that the answer tells which it was.
        let limit = patience.milliseconds * 8 / 10
        try script("SET statement_timeout = \(limit); SET lock_timeout = \(limit / 2)")
    }

    deinit { PQfinish(handle) }

    private static func connect(_ target: PostgresTarget, deadline: ContinuousClock.Instant) throws -> OpaquePointer {
        guard let handle = target.start() else { throw SQLFailure(kind: .connectionLost, message: "out of memory") }
        var status = PQstatus(handle) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING
        while status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING {
            let events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT
            guard wait(for: events, on: PQsocket(handle), until: deadline) != 0 else {
                PQfinish(handle)
                throw SQLFailure(kind: .connectionLost, message: "no answer while connecting")
            }
            status = PQconnectPoll(handle)
        }
        guard status == PGRES_POLLING_OK else {
            let message = target.redacted(String(cString: PQerrorMessage(handle)))
            PQfinish(handle)
            throw SQLFailure(kind: .connectionLost, message: message)
        }
        return handle
    }

    func run(_ sql: String, _ parameters: [SQLValue]) throws -> [SQLRow] {
        let name = try prepared(sql)
        try send(name, parameters)
        return try collect()
    }

    func script(_ sql: String) throws {
        guard PQsendQuery(handle, sql) == 1 else { throw lost() }
        _ = try collect()
    }

    /// Whether the server still holds its end, as far as can be known without asking it.
    var isUsable: Bool {
        guard PQstatus(handle) == CONNECTION_OK, PQtransactionStatus(handle) == PQTRANS_IDLE else { return false }
        // A server that leaves says so first: its words are read before the end of the stream shows.
        while Self.wait(for: POLLIN, on: PQsocket(handle), until: .now) != 0 {
            guard PQconsumeInput(handle) == 1, PQstatus(handle) == CONNECTION_OK else { return false }
        }
        return true
    }

    /// The name `sql` is prepared under on this connection.
    func prepared(_ sql: String) throws -> String {
        if let name = statements[sql] { return name }
        let name = "s\(statements.count)"
        guard PQsendPrepare(handle, name, sql, 0, nil) == 1 else { throw lost() }
        _ = try collect()
        statements[sql] = name
        return name
    }

    /// Queues one execution; nothing is waited for.
    func send(_ name: String, _ parameters: [SQLValue]) throws {
        let sent = PostgresParameters(parameters).withPointers { values, lengths, formats in
            PQsendQueryPrepared(handle, name, Int32(parameters.count), values, lengths, formats, 0)
        }
        guard sent == 1 else { throw lost() }
    }

    /// Reads results until there is none left, and gives the rows of the last. Throws the first failure, but only after all of them
    /// were read, so that the connection is in step again.
    private func collect() throws -> [SQLRow] {
        try flush()
        var rows: [SQLRow] = []
        var failure: SQLFailure?
        while let result = try nextResult() {
            switch PQresultStatus(result.handle) {
            case PGRES_TUPLES_OK, PGRES_SINGLE_TUPLE: rows = result.rows
            case PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: break
            default: failure = failure ?? result.failure
            }
        }
        if let failure { throw failure }
        return rows
    }

    /// Hands everything queued to the kernel, reading meanwhile: a server that waits to be read would otherwise never read us.
    func flush() throws {
        let deadline = ContinuousClock.now + patience
        while true {
            switch PQflush(handle) {
            case 0: return
            case 1:
                let ready = Self.wait(for: POLLIN | POLLOUT, on: PQsocket(handle), until: deadline)
                guard ready != 0 else { throw lost("the server did not take what was sent") }
                if ready & Int16(POLLIN) != 0, PQconsumeInput(handle) != 1 { throw lost() }
            default: throw lost()
            }
        }
    }

    /// The next result, waited for; nil between statements and at the end.
    func nextResult() throws -> PostgresResult? {
        let deadline = ContinuousClock.now + patience
        while PQisBusy(handle) == 1 {
            guard Self.wait(for: POLLIN, on: PQsocket(handle), until: deadline) != 0 else { throw lost("the server did not answer") }
            guard PQconsumeInput(handle) == 1 else { throw lost() }
        }
        return PQgetResult(handle).map(PostgresResult.init)
    }

    func lost(_ why: String? = nil) -> SQLFailure {
        SQLFailure(kind: .connectionLost, message: why ?? String(cString: PQerrorMessage(handle)))
    }

    /// The events that are ready; 0 when `deadline` came first.
    private static func wait(for events: Int32, on socket: Int32, until deadline: ContinuousClock.Instant) -> Int16 {
        var watched = pollfd(fd: socket, events: Int16(events), revents: 0)
        while true {
            let left = max(0, (deadline - .now) / .milliseconds(1))
            let count = poll(&watched, 1, Int32(left.rounded(.up)))
            if count > 0 { return watched.revents }
            if count == 0 || errno != EINTR { return 0 }
        }
    }
}
