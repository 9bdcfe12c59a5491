internal import Model

/// One thread's connection: opened when it is needed, opened again after it was lost, never more often than the backoff allows.
final class PostgresSession {
    private let target: PostgresTarget
    private let random: any RandomSource
    private let log: any LogSink
    private var connection: PostgresConnection?
    private var failures = 0
    private var retryAt = ContinuousClock.now

    /// The longest pause between two attempts.
    private static let longestPause = Duration.seconds(5)

    init(_ target: PostgresTarget, random: any RandomSource, log: any LogSink) {
        self.target = target
        self.random = random
        self.log = log
    }

    /// A connection that the server had not closed a moment ago. Throws at once while an attempt is not due.
    func open() throws -> PostgresConnection {
        if let connection, connection.isUsable { return connection }
        connection = nil
        guard ContinuousClock.now >= retryAt else {
            throw SQLFailure(kind: .connectionLost, message: "waiting before the next attempt to connect", isLogged: true)
        }
        do {
            let opened = try PostgresConnection(target)
            if failures > 0 { log.info("the database answers again", ("attempts", String(failures + 1))) }
            failures = 0
            connection = opened
            return opened
        } catch let failure as SQLFailure {
            failures += 1
            retryAt = .now + pause
            log.warning("the database cannot be reached", ("attempts", String(failures)), ("cause", failure.message))
            throw SQLFailure(kind: .connectionLost, message: failure.message, isLogged: true)
        }
    }

    /// Gives the connection up: what is under way on it is unknown.
    func drop() { connection = nil }

    /// 100 ms, doubled with every failure, half of it left to chance so that the threads do not knock together.
    private var pause: Duration {
        let whole = min(Self.longestPause, .milliseconds(100 << min(failures - 1, 10)))
        let chance = Double(random.bytes(1)[0]) / 255
        return whole / 2 + whole / 2 * chance
    }

    /// Runs `body` as one transaction. It is run again when transactions collided, or when the connection was lost before COMMIT was
    /// sent; after that nobody knows whether the work is done, and the caller is told that the platform does not answer.
    func transaction<Value>(_ body: (PostgresConnection) throws -> Value) throws -> Value {
        var attemptsLeft = 3
        while true {
            attemptsLeft -= 1
            var committing = false
            do {
                let connection = try open()
                try connection.run("BEGIN")
                let value = try undoing(on: connection) { try body(connection) }
                committing = true
                try connection.run("COMMIT")
                return value
            } catch let failure as SQLFailure where failure.kind == .connectionLost {
                drop()
                if committing || attemptsLeft == 0 { throw failure }
            } catch let failure as SQLFailure where failure.kind == .conflict {
                if attemptsLeft == 0 { throw failure }
            }
        }
    }

    private func undoing<Value>(on connection: PostgresConnection, _ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch {
            // Fails only with the connection; then its transaction is gone with it and the first error is the one to report.
            if (try? connection.run("ROLLBACK")) == nil { drop() }
            throw error
        }
    }

    /// Runs `body`, which only reads, once more when the connection turns out to be lost.
    func reading<Value>(_ body: (PostgresConnection) throws -> Value) throws -> Value {
        do {
            return try body(open())
        } catch let failure as SQLFailure where failure.kind == .connectionLost {
            drop()
            return try body(open())
        }
    }
}
