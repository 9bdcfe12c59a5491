internal import CPostgres
internal import Model

/// Which server and database, as the operator wrote it. The text may hold a password: it is handed to libpq and shown to nobody.
struct PostgresTarget: Sendable {
    private let text: String
    private let password: String?

    /// Throws `database_unreachable` when libpq cannot read `text`.
    init(_ text: String) throws {
        var complaint: UnsafeMutablePointer<CChar>?
        guard let options = PQconninfoParse(text, &complaint) else {
            // libpq's complaint quotes the text, and with it the password.
            PQfreemem(complaint)
            throw StoreError(
                .databaseUnreachable, "DATABASE_URL is not a PostgreSQL URL or connection string",
                next: "Write it as postgres://user:password@host:5432/database; special characters in the password are percent-encoded.")
        }
        defer { PQconninfoFree(options) }
        var password: String?
        var option = options
        while option.pointee.keyword != nil {
            if String(cString: option.pointee.keyword) == "password", let value = option.pointee.val { password = String(cString: value) }
            option += 1
        }
        self.text = text
        self.password = password.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Begins to connect.
    func start() -> OpaquePointer? {
        let options = [("dbname", text), ("fallback_application_name", "berthd"), ("client_encoding", "UTF8")]
        return withCStrings(options.map(\.0)) { keywords in
            withCStrings(options.map(\.1)) { values in PQconnectStartParams(keywords, values, 1) }
        }
    }

    /// `message` without the password, should a driver ever repeat it.
    func redacted(_ message: String) -> String {
        guard let password else { return message }
        return message.split(separator: password, omittingEmptySubsequences: false).joined(separator: "***")
    }
}

private func withCStrings<Result>(_ strings: [String], _ body: ([UnsafePointer<CChar>?]) -> Result) -> Result {
    var pointers: [UnsafePointer<CChar>?] = []
    func next(_ index: Int) -> Result {
        guard index < strings.count else { return body(pointers + [nil]) }
        return strings[index].withCString { pointer in
            pointers.append(pointer)
            return next(index + 1)
        }
    }
    return next(0)
}
