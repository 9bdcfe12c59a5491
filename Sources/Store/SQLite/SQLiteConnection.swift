internal import CSQLite

/// One SQLite connection with its prepared statements. Used by one thread: it is opened without SQLite's own locks.
final class SQLiteConnection: SQLConnection {
    let dialect = SQLDialect.sqlite
    private let handle: OpaquePointer
    private var statements: [String: Prepared] = [:]

    private struct Prepared {
        let handle: OpaquePointer
        /// For each place, in SQLite's order, which parameter stands there: SQLite numbers `$1` by where it first stands, not by what it says.
        let parameters: [Int]
    }

    /// `busyMilliseconds` is how long a statement waits for another connection's lock.
    init(_ path: String, readOnly: Bool, busyMilliseconds: Int32) throws {
        var opened: OpaquePointer?
        let access = readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE
        let status = sqlite3_open_v2(path, &opened, access | SQLITE_OPEN_NOMUTEX, nil)
        guard status == SQLITE_OK, let opened else {
            let failure = SQLFailure(code: status, message: opened.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory")
            sqlite3_close_v2(opened)
            throw failure
        }
        handle = opened
        sqlite3_extended_result_codes(opened, 1)
        sqlite3_busy_timeout(opened, busyMilliseconds)
    }

    deinit {
        for statement in statements.values { sqlite3_finalize(statement.handle) }
        sqlite3_close_v2(handle)
    }

    func script(_ sql: String) throws { try check(sqlite3_exec(handle, sql, nil, nil, nil)) }

    func run(_ sql: String, _ parameters: [SQLValue]) throws -> [SQLRow] {
        let prepared = try prepared(sql)
        let statement = prepared.handle
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        try bind(parameters, to: prepared)
        var rows: [SQLRow] = []
        while true {
            let status = sqlite3_step(statement)
            switch status {
            case SQLITE_ROW: rows.append(Self.row(of: statement))
            case SQLITE_DONE: return rows
            default: throw failure(status)
            }
        }
    }

    private func prepared(_ sql: String) throws -> Prepared {
        if let statement = statements[sql] { return statement }
        var handle: OpaquePointer?
        try check(sqlite3_prepare_v3(self.handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &handle, nil))
        guard let handle else { throw SQLFailure(kind: .statement, message: "empty statement") }
        let places = 0..<sqlite3_bind_parameter_count(handle)
        let numbers = places.map { sqlite3_bind_parameter_name(handle, $0 + 1).flatMap { Int(String(cString: $0 + 1)) } ?? 0 }
        let statement = Prepared(handle: handle, parameters: numbers)
        statements[sql] = statement
        return statement
    }

    private func bind(_ parameters: [SQLValue], to statement: Prepared) throws {
        for (place, number) in statement.parameters.enumerated() {
            guard parameters.indices.contains(number - 1) else {
                throw SQLFailure(kind: .statement, message: "a parameter of the statement was not given")
            }
            try check(bind(parameters[number - 1], at: Int32(place + 1), of: statement.handle))
        }
    }

    private func bind(_ value: SQLValue, at place: Int32, of statement: OpaquePointer) -> Int32 {
        switch value {
        case .null: return sqlite3_bind_null(statement, place)
        case .int(let value): return sqlite3_bind_int64(statement, place, value)
        case .real(let value): return sqlite3_bind_double(statement, place, value)
        case .text(let value):
            let text = value.storable
            return csqlite_bind_text(statement, place, text, Int32(text.utf8.count))
        case .bytes(let value):
            return value.withUnsafeBytes { csqlite_bind_blob(statement, place, $0.baseAddress, Int32($0.count)) }
        }
    }

    private static func row(of statement: OpaquePointer) -> SQLRow {
        (0..<sqlite3_column_count(statement)).map { column in
            switch sqlite3_column_type(statement, column) {
            case SQLITE_INTEGER: return .int(sqlite3_column_int64(statement, column))
            case SQLITE_FLOAT: return .real(sqlite3_column_double(statement, column))
            case SQLITE_TEXT:
                let count = Int(sqlite3_column_bytes(statement, column))
                return .text(
                    String(decoding: UnsafeBufferPointer(start: sqlite3_column_text(statement, column), count: count), as: UTF8.self))
            case SQLITE_BLOB:
                let count = Int(sqlite3_column_bytes(statement, column))
                return .bytes([UInt8](UnsafeRawBufferPointer(start: sqlite3_column_blob(statement, column), count: count)))
            default: return .null
            }
        }
    }

    private func check(_ status: Int32) throws {
        guard status == SQLITE_OK else { throw failure(status) }
    }

    private func failure(_ status: Int32) -> SQLFailure { SQLFailure(code: status, message: String(cString: sqlite3_errmsg(handle))) }
}

extension SQLFailure {
    fileprivate init(code: Int32, message: String) {
        let kind: Kind
        switch code & 0xFF {
        case SQLITE_BUSY, SQLITE_LOCKED: kind = .locked
        case SQLITE_NOTADB, SQLITE_CORRUPT: kind = .invalid
        case SQLITE_CANTOPEN, SQLITE_READONLY, SQLITE_PERM, SQLITE_AUTH, SQLITE_IOERR: kind = .inaccessible
        case SQLITE_FULL: kind = .full
        default: kind = .statement
        }
        self.init(kind: kind, message: "SQLite \(code): \(message)")
    }
}
