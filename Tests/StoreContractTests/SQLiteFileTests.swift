import Glibc
import Model
import Store
import Testing

@Suite("The database file of SQLite")
struct SQLiteFileTests {
    private func withPath(_ body: (TemporaryDirectory, String) async throws -> Void) async throws {
        let directory = TemporaryDirectory()
        defer { directory.remove() }
        try await body(directory, directory.path + "/berth.db")
    }

    private func errorOfOpening(_ path: String) async -> StoreError? {
        await #expect(throws: StoreError.self) { try await StoreFixture.open(.sqlite(path: path)) }
    }

    @Test("the file and its journal are the owner's alone, also when an older one was not")
    func modes() async throws {
        try await withPath { directory, path in
            close(open(path, O_CREAT | O_RDWR, 0o644))
            let fixture = try await StoreFixture.open(.sqlite(path: path))
            _ = try await fixture.workspace()
            #expect(Set(directory.names) == ["berth.db", "berth.db-wal", "berth.db-shm"])
            for name in directory.names {
                var found = stat()
                #expect(stat("\(directory.path)/\(name)", &found) == 0)
                #expect(found.st_mode & 0o777 == 0o600, "\(name)")
            }
            await fixture.store.close()
            #expect(directory.names == ["berth.db"], "a clean end folds the journal into the file")
        }
    }

    @Test("a file that is no database, and a directory that is not there, are each told apart")
    func wrongFiles() async throws {
        try await withPath { directory, path in
            let descriptor = open(path, O_CREAT | O_RDWR, 0o600)
            let text = String(repeating: "this is no database\n", count: 100)
            #expect(write(descriptor, text, text.utf8.count) == text.utf8.count)
            close(descriptor)
            let invalid = await errorOfOpening(path)
            #expect(invalid?.code == .databaseInvalid)
            #expect(contents(of: path).count == text.utf8.count, "nobody's file is written over")
            let missing = await errorOfOpening(directory.path + "/nowhere/berth.db")
            #expect(missing?.code == .stateDirectoryUnusable)
            for error in [invalid, missing] {
                #expect(error?.next != nil)
                #expect(error?.message.contains(directory.path) == false)
            }
        }
    }

    @Test(
        "a full disk is said to be full by writes and by the probe, and is well again with room",
        .enabled(if: geteuid() == 0, "mounts a disk"))
    func fullDisk() async throws {
        let directory = TemporaryDirectory()
        #expect(mount("tmpfs", directory.path, "tmpfs", 0, "size=1m") == 0)
        defer {
            umount2(directory.path, Int32(MNT_DETACH))
            directory.remove()
        }
        let fixture = try await StoreFixture.open(.sqlite(path: directory.path + "/berth.db"))
        let agent = try await fixture.workspace()
        try await fixture.store.probe()
        let filler = open(directory.path + "/filler", O_CREAT | O_WRONLY, 0o600)
        let block = [UInt8](repeating: 1, count: 4096)
        while write(filler, block, block.count) > 0 {}
        close(filler)

        let probed = await #expect(throws: StoreError.self) { try await fixture.store.probe() }
        #expect(probed?.code == .diskFull)
        #expect(probed?.next != nil)
        let written = await #expect(throws: StoreError.self) {
            try await fixture.store.append(.activityLogged, payload: [:], to: agent.id)
        }
        #expect(written?.code == .diskFull)
        unlink(directory.path + "/filler")
        try await fixture.store.probe()
        try await fixture.store.append(.activityLogged, payload: [:], to: agent.id)
        await fixture.store.close()
    }

    @Test("once the file is replaced nothing is written any more, and the probe says why")
    func replaced() async throws {
        try await withPath { directory, path in
            let fixture = try await StoreFixture.open(.sqlite(path: path))
            let agent = try await fixture.workspace()
            try await fixture.store.probe()
            #expect(rename(path, path + ".moved") == 0)
            close(open(path, O_CREAT | O_RDWR, 0o600))

            let probed = await #expect(throws: StoreError.self) { try await fixture.store.probe() }
            #expect(probed?.code == .databaseLost)
            let written = await #expect(throws: StoreError.self) {
                try await fixture.store.append(.activityLogged, payload: [:], to: agent.id)
            }
            #expect(written?.code == .databaseLost)
            let beaten = await #expect(throws: StoreError.self) { try await fixture.store.recordHeartbeat(agent.beat()) }
            #expect(beaten?.code == .databaseLost)

            // A file that comes back may have been changed by somebody meanwhile: only a restart reads it anew.
            #expect(rename(path + ".moved", path) == 0)
            await #expect(throws: StoreError.self) { try await fixture.store.append(.activityLogged, payload: [:], to: agent.id) }
            await fixture.store.close()
            #expect(fixture.committed.all.isEmpty)
        }
    }
}
