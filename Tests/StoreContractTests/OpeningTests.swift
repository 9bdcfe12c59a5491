import Glibc
import Model
import Secrets
import TestSupport
import Testing

@testable import Store

@Suite("Opening a database, on both")
struct OpeningTests {
    /// Runs `body` with a place for a database that nobody has opened yet.
    private func withLocation(_ kind: DatabaseKind, _ body: (StoreLocation) async throws -> Void) async throws {
        let directory = TemporaryDirectory()
        defer { directory.remove() }
        try await body(StoreFixture.location(kind, in: directory))
    }

    static func connection(_ location: StoreLocation, patience: Duration = .seconds(5)) throws -> any SQLConnection {
        switch location {
        case .sqlite(let path): try SQLiteConnection(path, readOnly: false, busyMilliseconds: 100)
        case .postgres(let url): try PostgresConnection(PostgresTarget(url), patience: patience)
        }
    }

    private func errorOfOpening(_ location: StoreLocation) async -> StoreError? {
        await #expect(throws: StoreError.self) { try await StoreFixture.open(location) }
    }

    @Test("a second start finds everything, and knows the installation", arguments: DatabaseKind.present)
    func secondStart(_ kind: DatabaseKind) async throws {
        try await withLocation(kind) { location in
            let first = try await StoreFixture.open(location)
            #expect(first.store.isNewInstallation)
            let agent = try await first.workspace()
            await first.store.close()
            let error = await #expect(throws: StoreError.self) { try await first.store.liveWorkspaces() }
            #expect(error?.code == .platformUnavailable, "a closed store answers nothing")

            let second = try await StoreFixture.open(location)
            #expect(!second.store.isNewInstallation)
            #expect(try await second.store.liveWorkspaces().map(\.id) == [agent.id])
            await second.store.close()
        }
    }

    @Test("daemons that start at once migrate once", arguments: DatabaseKind.present)
    func simultaneousStarts(_ kind: DatabaseKind) async throws {
        try await withLocation(kind) { location in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        let fixture = try await StoreFixture.open(location)
                        await fixture.store.close()
                        return fixture.store.isNewInstallation
                    }
                }
                let new = try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
                #expect(new == 1)
            }
            let records = try Self.connection(location).run("SELECT version FROM schema_migrations ORDER BY version")
            #expect(records == Migration.all.map { [.int($0.version)] })
        }
    }

    @Test("a database of a newer program is refused, named with both versions, and left as it is", arguments: DatabaseKind.present)
    func newer(_ kind: DatabaseKind) async throws {
        try await withLocation(kind) { location in
            await (try StoreFixture.open(location)).store.close()
            let sql = try Self.connection(location)
            try sql.run(
                "INSERT INTO schema_migrations (version, name, applied_at) VALUES ($1, $2, $3)", [.int(99), .text("later"), .int(0)])
            let error = await errorOfOpening(location)
            #expect(error?.code == .databaseNewer)
            #expect(error?.message.contains("99") == true && error?.message.contains("\(Migration.all.count)") == true)
            #expect(error?.next != nil)
            #expect(try sql.run("SELECT COUNT(*) FROM schema_migrations") == [[.int(Int64(Migration.all.count) + 1)]])
        }
    }

    @Test("a migration that fails half-way leaves nothing behind and can be tried again", arguments: DatabaseKind.present)
    func failedMigration(_ kind: DatabaseKind) async throws {
        try await withLocation(kind) { location in
            if case .sqlite(let path) = location { _ = try SQLiteFile(preparing: path) }
            let sql = try Self.connection(location)
            var migrator = Migrator()
            migrator.migrations = [Migration(version: 1, name: "bad", sql: "CREATE TABLE half (a BIGINT); CREATE TABLE half (a BIGINT);")]
            #expect(throws: SQLFailure.self) { try migrator.run(on: sql, now: Timestamp(seconds: 0)) }
            #expect(throws: SQLFailure.self) { try sql.run("SELECT a FROM half") }
            try Migrator().run(on: sql, now: Timestamp(seconds: 0))
            #expect(try sql.run("SELECT COUNT(*) FROM workspaces") == [[.int(0)]])
        }
    }

    @Test("every migration is numbered one after the other") func numbering() {
        #expect(Migration.all.map(\.version) == (1...Int64(Migration.all.count)).map { $0 })
    }

    @Test("a database that another connection holds is reported as locked", arguments: DatabaseKind.present)
    func locked(_ kind: DatabaseKind) async throws {
        try await withLocation(kind) { location in
            await (try StoreFixture.open(location)).store.close()
            let holder = try Self.connection(location)
            switch location {
            case .sqlite:
                try holder.run("BEGIN IMMEDIATE")
                let error = await errorOfOpening(location)
                #expect(error?.code == .databaseLocked)
                #expect(error?.next != nil)
            case .postgres:
                try holder.run("SELECT pg_advisory_lock(\(Migrator.lockNumber))")
                let failure = #expect(throws: SQLFailure.self) {
                    try Migrator().run(on: Self.connection(location, patience: .seconds(2)), now: Timestamp(seconds: 0))
                }
                #expect(failure?.kind == .locked)
            }
        }
    }

    @Test("a status or cause outside the known ones is refused by the database itself", arguments: DatabaseKind.present)
    func constraints(_ kind: DatabaseKind) async throws {
        try await withLocation(kind) { location in
            let fixture = try await StoreFixture.open(location)
            let agent = try await fixture.workspace()
            await fixture.store.close()
            let sql = try Self.connection(location)
            for change in ["status = 'asleep'", "cause = 'moon'", "workspace_access = 'all'"] {
                #expect(throws: SQLFailure.self) { try sql.run("UPDATE workspaces SET \(change) WHERE id = $1", [.text(agent.id.text)]) }
            }
            for status in WorkspaceStatus.allCases {
                try sql.run("UPDATE workspaces SET status = $2 WHERE id = $1", [.text(agent.id.text), .text(status.rawValue)])
            }
            for cause in ConditionCause.allCases {
                try sql.run("UPDATE workspaces SET cause = $2 WHERE id = $1", [.text(agent.id.text), .text(cause.rawValue)])
            }
        }
    }
}
