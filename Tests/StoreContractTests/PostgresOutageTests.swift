import Model
import Secrets
import TestSupport
import Testing

@testable import Store

@Suite("PostgreSQL that goes away", .enabled(if: PostgresServer.isInstalled, "PostgreSQL is not installed: scripts/setup installs it"))
struct PostgresOutageTests {
    @Test("while the server is down every verb says platform_unavailable, and all work again once it is back")
    func downAndUp() async throws {
        let server = try await PostgresServer.start()
        let fixture = try await StoreFixture.open(.postgres(url: server.makeDatabase()))
        let agent = try await fixture.workspace()
        _ = try await fixture.store.recordHeartbeat(agent.beat()).get()

        await server.stop()
        let began = ContinuousClock.now
        for _ in 0..<3 {
            await Self.expectUnavailable { _ = try await fixture.store.recordHeartbeat(agent.beat()) }
            await Self.expectUnavailable { _ = try await fixture.store.tokenOwner(agent.token.digest.hash) }
            await Self.expectUnavailable { try await fixture.store.append(.activityLogged, payload: [:], to: agent.id) }
            await Self.expectUnavailable { try await fixture.store.probe() }
        }
        #expect(ContinuousClock.now - began < .seconds(60))

        try await server.restart()
        try await Self.untilItWorks { try await fixture.store.probe() }
        try await Self.untilItWorks { _ = try await fixture.store.recordHeartbeat(agent.beat(wedged: true)).get() }
        try await Self.untilItWorks { try await fixture.store.append(.activityLogged, payload: [:], to: agent.id) }
        let stored = try await fixture.storedEvents(agent.id)
        #expect(stored.map(\.kind) == [.online, .degraded, .activityLogged])
        #expect(fixture.committed.of(agent.id) == stored)
        await fixture.store.close()
        await server.remove()
    }

    @Test("a server that was restarted between two calls is not noticed by the callers")
    func restartedInBetween() async throws {
        let server = try await PostgresServer.start()
        let fixture = try await StoreFixture.open(.postgres(url: server.makeDatabase()))
        let agent = try await fixture.workspace()
        for _ in 0..<2 {
            for _ in 0..<8 { _ = try await fixture.store.workspace(agent.id) }
            _ = try await fixture.store.recordHeartbeat(agent.beat()).get()
            await server.stop()
            try await server.restart()
        }
        _ = try await fixture.store.recordHeartbeat(agent.beat()).get()
        for _ in 0..<8 { try await fixture.store.append(.activityLogged, payload: [:], to: agent.id) }
        await fixture.store.close()
        await server.remove()
    }

    @Test("a row that somebody else holds costs a verb a bounded time, and the connection serves on")
    func heldRow() async throws {
        let url = try await PostgresServer.shared().makeDatabase()
        let fixture = try await StoreFixture.open(.postgres(url: url))
        let (held, free) = (try await fixture.workspace(), try await fixture.workspace())
        let holder: any SQLConnection = try PostgresConnection(PostgresTarget(url))
        try holder.run("BEGIN")
        try holder.run("SELECT id FROM workspaces WHERE id = $1 FOR UPDATE", [.text(held.id.text)])
        let began = ContinuousClock.now
        await Self.expectUnavailable { try await fixture.store.append(.activityLogged, payload: [:], to: held.id) }
        #expect(ContinuousClock.now - began < .seconds(60))
        try holder.run("ROLLBACK")
        for agent in [held, free] { try await fixture.store.append(.activityLogged, payload: [:], to: agent.id) }
        await fixture.store.close()
    }

    @Test("a server that is not there, and a URL that is none, are told without the password")
    func unreachable() async throws {
        let log = RecordingLog()
        for url in ["postgres://berth:hunter2@/db?host=/nowhere", "postgres://berth:hunter2@[", "postgres://u:hunter2@127.0.0.1:1/db"] {
            let error = await #expect(throws: StoreError.self) {
                try await openStore(
                    .postgres(url: url), instance: StoreFixture.instance, sealer: SecretSealer(key: Array(0..<32)), clock: ManualClock(),
                    random: SeededRandom(seed: 1), log: log
                ) { _ in }
            }
            #expect(error?.code == .databaseUnreachable)
            #expect(error?.next != nil)
            #expect(error.map { "\($0) \($0.next ?? "")" }?.contains("hunter2") == false)
        }
        #expect(!log.text.contains { $0.contains("hunter2") })
    }

    private static func expectUnavailable(_ verb: () async throws -> Void) async {
        let error = await #expect(throws: StoreError.self) { try await verb() }
        #expect(error?.code == .platformUnavailable)
    }

    /// Each connection comes back when its own backoff lets it.
    private static func untilItWorks(_ verb: () async throws -> Void) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while true {
            do {
                return try await verb()
            } catch  where ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }
}

@Suite("Databases of this suite")
struct StorePresenceTests {
    @Test("PostgreSQL is among them", .enabled(if: PostgresServer.isInstalled, "PostgreSQL is not installed: scripts/setup installs it"))
    func postgresIsTested() { #expect(DatabaseKind.present.contains(.postgres)) }
}
