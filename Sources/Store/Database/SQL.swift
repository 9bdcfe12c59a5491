/// A value on its way into or out of a database.
enum SQLValue: Sendable, Equatable {
    case null
    case int(Int64)
    case real(Double)
    case text(String)
    case bytes([UInt8])

    init(_ value: String?) { self = value.map(SQLValue.text) ?? .null }
    init(_ value: Int64?) { self = value.map(SQLValue.int) ?? .null }
    init(_ value: Int?) { self = value.map { .int(Int64($0)) } ?? .null }
    init(_ value: Bool) { self = .int(value ? 1 : 0) }
    init(_ value: Double?) { self = value.map(SQLValue.real) ?? .null }

    var int: Int64? { if case .int(let value) = self { value } else { nil } }
    var text: String? { if case .text(let value) = self { value } else { nil } }
    var bytes: [UInt8]? { if case .bytes(let value) = self { value } else { nil } }
    /// SQLite gives a whole number back as an integer when it was computed as one.
    var real: Double? {
        switch self {
        case .real(let value): value
        case .int(let value): Double(value)
        case .null, .text, .bytes: nil
        }
    }
}

extension String {
    /// PostgreSQL keeps no NUL in a text, and libpq would cut the text there: both databases get the replacement character instead.
    var storable: String {
        utf8.contains(0) ? String(String.UnicodeScalarView(unicodeScalars.map { $0 == "\0" ? "\u{FFFD}" : $0 })) : self
    }
}

typealias SQLRow = [SQLValue]

/// Where the two databases write SQL differently. Everything else is the common part of both.
enum SQLDialect: Sendable {
    case sqlite, postgres

    /// The name of the type for byte strings.
    var bytesType: String {
        switch self {
        case .sqlite: "BLOB"
        case .postgres: "BYTEA"
        }
    }

    /// Ends a SELECT whose rows are about to be changed. SQLite has one writer: its transaction is the lock.
    var rowLock: String {
        switch self {
        case .sqlite: ""
        case .postgres: " FOR NO KEY UPDATE"
        }
    }

    /// Opens a transaction that may write.
    var begin: String {
        switch self {
        case .sqlite: "BEGIN IMMEDIATE"
        case .postgres: "BEGIN"
        }
    }
}

/// One connection, used by one thread. Statements are prepared on first use and kept.
protocol SQLConnection: AnyObject {
    var dialect: SQLDialect { get }
    /// Runs one statement with parameters `$1`, `$2`, ... and gives its rows. Throws `SQLFailure`.
    @discardableResult func run(_ sql: String, _ parameters: [SQLValue]) throws -> [SQLRow]
    /// Runs several statements without parameters or rows. Throws `SQLFailure`.
    func script(_ sql: String) throws
}

extension SQLConnection {
    @discardableResult func run(_ sql: String) throws -> [SQLRow] { try run(sql, []) }

    /// Waits for the lock of this number and holds it until the transaction ends. SQLite has one writer: its transaction is the lock.
    func holdLock(_ number: Int64) throws {
        switch dialect {
        case .sqlite: break
        case .postgres: try run("SELECT pg_advisory_xact_lock(\(number))")
        }
    }

    /// As `holdLock`, beside others that share it.
    func shareLock(_ number: Int64) throws {
        switch dialect {
        case .sqlite: break
        case .postgres: try run("SELECT pg_advisory_xact_lock_shared(\(number))")
        }
    }

    /// Runs `body` between BEGIN and COMMIT; an error rolls everything back.
    func transaction<T>(_ body: () throws -> T) throws -> T {
        try run(dialect.begin)
        do {
            let value = try body()
            try run("COMMIT")
            return value
        } catch {
            // The first error is the one to report: a rollback fails only with the connection, which is noticed by its next user.
            _ = try? run("ROLLBACK")
            throw error
        }
    }
}

/// What a driver reported. The message is for the log; callers get a `StoreError`.
struct SQLFailure: Error, Sendable {
    enum Kind: Sendable {
        /// Another connection holds what was asked for.
        case locked
        /// Two transactions stood in each other's way and this one was undone: it may be tried again as it is.
        case conflict
        /// The connection is of no further use.
        case connectionLost
        /// The database file or its contents cannot be used.
        case invalid
        /// The database file cannot be opened or written.
        case inaccessible
        /// There is no room left to write in.
        case full
        case statement
    }

    let kind: Kind
    let message: String
    /// Every verb fails while the server is away; one line of the log for each attempt to reach it is enough.
    var isLogged = false
}
