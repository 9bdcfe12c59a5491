import Model
import Secrets
import TestSupport
import Testing

@testable import Store

@Suite("Databases of earlier versions, on both")
struct MigrationTests {
    private static let causes = ["wedged", "error_rate", "register_timeout", "provision", nil]
    private static let ids = (1...causes.count).map {
        WorkspaceID("0b0e9f3e-5f0a-4d0b-9c1a-00000000000\($0)").unsafelyUnwrapped
    }
    private static let sealer = SecretSealer(key: Array(0..<32))

    /// Writes what a program of schema version 1 would have written.
    private static func fill(_ sql: any SQLConnection, token: TokenDigest) throws {
        try sql.run("INSERT INTO installation (instance_id, first_seen_at) VALUES ($1, 5)", [.text(StoreFixture.instance.text)])
        for (id, cause) in zip(ids, causes) {
            try sql.run(
                """
                INSERT INTO workspaces (id, name, tier, status, cause, runtime, external, generation, workspace_access, awareness_namespace,
                    max_concurrent_tasks, active_tasks, current_task, uptime_seconds, last_error_rate, last_sample_error, last_heartbeat_at,
                    monthly_spend, capabilities, manages_status, failure_code, failure_message, failure_at, pending_cleanup, canvas_x,
                    canvas_y, collapsed, created_at, updated_at, event_seq)
                VALUES ($1, 'old', 2, 'failed', $2, 'echo', 0, 3, 'none', 'n', 1, 0, 'task', 9, 0.5, '', 6, 0, '{}', 0, 'oom', 'm', 7, 0,
                    1.5, 2.5, 1, 8, 9, 1)
                """, [.text(id.text), SQLValue(cause)])
            try sql.run(
                "INSERT INTO events (workspace_id, seq, kind, payload, at) VALUES ($1, 1, 'WORKSPACE_ONLINE', '{\"a\":1}', 4)",
                [.text(id.text)])
        }
        let sealed = try sealer.seal("value", workspace: ids[0], name: "env:KEY")
        try sql.run(
            "INSERT INTO workspace_secrets (workspace_id, kind, name, sealed, format) VALUES ($1, 'env', 'KEY', $2, 2)",
            [.text(ids[0].text), .bytes(sealed)])
        try sql.run(
            "INSERT INTO workspace_tokens (hash, prefix, workspace_id, generation, created_at) VALUES ($1, $2, $3, 3, 5)",
            [.bytes(token.hash), .text(token.prefix), .text(ids[0].text)])
    }

    private func withVersionOne(_ kind: DatabaseKind, token: TokenDigest, _ body: (StoreFixture) async throws -> Void) async throws {
        let directory = TemporaryDirectory()
        defer { directory.remove() }
        let location = try await StoreFixture.location(kind, in: directory)
        if case .sqlite(let path) = location { _ = try SQLiteFile(preparing: path) }
        let sql = try OpeningTests.connection(location)
        var migrator = Migrator()
        migrator.migrations = Array(Migration.all.prefix(1))
        try migrator.run(on: sql, now: Timestamp(seconds: 0))
        try Self.fill(sql, token: token)
        let fixture = try await StoreFixture.open(location)
        try await body(fixture)
        await fixture.store.close()
    }

    @Test("a database of version 1 keeps its rows, tokens, secrets and events", arguments: DatabaseKind.present)
    func versionOne(_ kind: DatabaseKind) async throws {
        let token = TokenMaker().issue()
        try await withVersionOne(kind, token: token.digest) { fixture in
            #expect(!fixture.store.isNewInstallation)
            #expect(try await fixture.store.installationSeenAt() == Timestamp(microseconds: 5))
            let rows = try await fixture.store.liveWorkspaces()
            #expect(rows.map(\.id) == Self.ids)
            #expect(rows.map(\.condition.cause?.rawValue) == Self.causes)
            for row in rows {
                #expect((row.name, row.status, row.generation, row.currentTask, row.canvasY) == ("old", .failed, 3, "task", 2.5))
                #expect((row.failure?.code, row.failure?.at) == (.outOfMemory, Timestamp(microseconds: 7)))
                #expect((row.createdAt, row.updatedAt) == (Timestamp(microseconds: 8), Timestamp(microseconds: 9)))
                #expect((row.hibernationIdleMinutes, row.lastWorkAt, row.adoptedAt) == (nil, nil, nil))
                #expect(try await fixture.storedEvents(row.id).map(\.payload) == [["a": 1]])
                #expect(try await fixture.store.lastSequence(of: row.id) == 1)
            }
            #expect(try await fixture.store.secrets(of: Self.ids[0]).environment == ["KEY": "value"])
            let owner = TokenOwner(workspaceID: Self.ids[0], generation: 3, removed: false, revoked: false)
            #expect(try await fixture.store.tokenOwner(token.digest.hash) == owner)
        }
    }

    @Test(
        "a row of version 1 can fail with the cause that came later, and takes beats and events as before", arguments: DatabaseKind.present)
    func serves(_ kind: DatabaseKind) async throws {
        let token = TokenMaker().issue()
        try await withVersionOne(kind, token: token.digest) { fixture in
            let agent = Agent(id: Self.ids[2], token: fixture.tokens.issue())
            _ = try await fixture.store.beginGeneration(of: agent.id, token: agent.token.digest)
            let looped = LifecycleEvent.crashLooped(code: .crashLoop, message: "too often")
            #expect(
                try await fixture.store.apply(looped, failure: nil, to: agent.id, generation: 4)?.condition == .init(.failed, .crashLoop))
            #expect(try await fixture.row(agent).condition == .init(.failed, .crashLoop))
            #expect(try await fixture.store.recordHeartbeat(agent.beat()).get().condition == .init(.failed, .crashLoop))
            #expect(try await fixture.storedEvents(agent.id).map(\.sequence) == [1, 2, 3])
        }
    }
}
