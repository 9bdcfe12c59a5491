import Model
import TestSupport
import Testing

@testable import Store

@Suite("Whose database it is, on both")
struct InstallationTests {
    private static let other = InstanceID("other-instance").unsafelyUnwrapped

    /// Runs `body` with a place for a database that nobody has opened yet.
    private func withLocation(_ kind: DatabaseKind, _ body: (StoreLocation) async throws -> Void) async throws {
        let directory = TemporaryDirectory()
        defer { directory.remove() }
        try await body(StoreFixture.location(kind, in: directory))
    }

    /// What every table holds.
    private func contents(_ location: StoreLocation) throws -> [[SQLRow]] {
        let sql = try OpeningTests.connection(location)
        return try ["installation", "workspaces", "workspace_tokens", "events", "counters", "orphans", "audit_events", "operations"].map {
            try sql.run("SELECT * FROM \($0)")
        }
    }

    @Test(
        "a database with another installation's workspaces is refused, names both ways out, and stays as it is",
        arguments: DatabaseKind.present)
    func foreign(_ kind: DatabaseKind) async throws {
        try await withLocation(kind) { location in
            let owner = try await StoreFixture.open(location)
            let agent = try await owner.workspace(.init(.removed))
            await owner.store.close()
            let before = try contents(location)

            let error = await #expect(throws: StoreError.self) { try await StoreFixture.open(location, instance: Self.other) }
            #expect(error?.code == .databaseForeign)
            for way in ["DATABASE_URL", "STATE_DIR", "MOLECULE_INSTANCE_ID=\(StoreFixture.instance)"] {
                #expect(error?.next?.contains(way) == true)
            }
            #expect(try contents(location) == before)

            let back = try await StoreFixture.open(location)
            #expect(!back.store.isNewInstallation)
            #expect(try await back.row(agent).status == .removed)
            await back.store.close()
        }
    }

    @Test("a database without any workspace may be shared, and then both may come back", arguments: DatabaseKind.present)
    func shared(_ kind: DatabaseKind) async throws {
        try await withLocation(kind) { location in
            for instance in [StoreFixture.instance, Self.other] {
                let fixture = try await StoreFixture.open(location, instance: instance)
                #expect(fixture.store.isNewInstallation)
                await fixture.store.close()
            }
            let second = try await StoreFixture.open(location, instance: Self.other)
            #expect(!second.store.isNewInstallation)
            _ = try await second.workspace()
            await second.store.close()
            let first = try await StoreFixture.open(location)
            #expect(!first.store.isNewInstallation)
            await first.store.close()
            let stranger = await #expect(throws: StoreError.self) {
                try await StoreFixture.open(location, instance: InstanceID("third-instance").orFail())
            }
            #expect(stranger?.next?.contains(" or MOLECULE_INSTANCE_ID=") == true, "each owner it may have is named")
        }
    }

    @Test("a foreign database of a newer program is told to be newer", arguments: DatabaseKind.present)
    func foreignAndNewer(_ kind: DatabaseKind) async throws {
        try await withLocation(kind) { location in
            let owner = try await StoreFixture.open(location)
            _ = try await owner.workspace()
            await owner.store.close()
            try OpeningTests.connection(location).run("INSERT INTO schema_migrations (version, name, applied_at) VALUES (99, 'later', 0)")
            let error = await #expect(throws: StoreError.self) { try await StoreFixture.open(location, instance: Self.other) }
            #expect(error?.code == .databaseNewer)
        }
    }

    @Test(
        "the database remembers when it first saw this installation, whatever is probed and however often it starts",
        arguments: DatabaseKind.present)
    func seenAt(_ kind: DatabaseKind) async throws {
        try await withLocation(kind) { location in
            let clock = ManualClock()
            let began = clock.now()
            for _ in 0..<2 {
                let fixture = try await StoreFixture.open(location, clock: clock)
                for _ in 0..<3 {
                    clock.advance(by: .seconds(60))
                    try await fixture.store.probe()
                    #expect(try await fixture.store.installationSeenAt() == began)
                }
                await fixture.store.close()
            }
            let second = try await StoreFixture.open(location, instance: Self.other, clock: clock)
            #expect(try await second.store.installationSeenAt() == clock.now(), "each installation has its own time")
            await second.store.close()
        }
    }

    @Test("a database that was emptied under the running daemon is called lost, not new", arguments: DatabaseKind.present)
    func emptied(_ kind: DatabaseKind) async throws {
        try await withLocation(kind) { location in
            let fixture = try await StoreFixture.open(location)
            try await fixture.store.probe()
            try OpeningTests.connection(location).run("DELETE FROM installation")
            let asked = await #expect(throws: StoreError.self) { try await fixture.store.installationSeenAt() }
            #expect(asked?.code == .databaseLost)
            let probed = await #expect(throws: StoreError.self) { try await fixture.store.probe() }
            #expect(probed?.code == .databaseLost)
            #expect(probed?.next != nil)
            await fixture.store.close()
        }
    }
}
