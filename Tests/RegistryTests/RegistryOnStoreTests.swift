import Events
import Glibc
import Model
import Registry
import Secrets
import Store
import TestSupport
import Testing

/// The registry over the real databases: the fakes of the other suites must not be kinder than these.
@Suite("The registry on a real database", .timeLimit(.minutes(2)))
struct RegistryOnStoreTests {
    static let databases = PostgresServer.isInstalled ? ["sqlite", "postgres"] : ["sqlite"]

    private struct World {
        let store: any WorkspaceStore
        let registry: AgentRegistry
        let token: IssuedToken

        func row() async throws -> Workspace { try #require(try await store.workspace(Sample.id)) }
        func history() async throws -> [EventKind] { try await store.events(of: Sample.id, after: 0, limit: 100).map(\.kind) }

        @discardableResult
        func beat(_ fields: JSONObject = [:]) async throws -> BeatRecord {
            var body = fields
            body["workspace_id"] = .string(Sample.id.text)
            return try await registry.heartbeat(.object(body), bearer: token.plaintext)
        }
    }

    private func withWorld(_ database: String, _ body: (World) async throws -> Void) async throws {
        var template = Array("/tmp/berth-registry-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer {
            for suffix in ["", "-wal", "-shm"] { unlink("\(directory)/berth.db\(suffix)") }
            rmdir(directory)
        }
        let location: StoreLocation =
            database == "sqlite" ? .sqlite(path: directory + "/berth.db") : .postgres(url: try await PostgresServer.shared().makeDatabase())
        let (clock, hub, tokens) = (ManualClock(), EventHub(), TokenMaker())
        let store = try await openStore(
            location, instance: try #require(InstanceID("registry-tests")), sealer: SecretSealer(key: Array(0..<32)), clock: clock,
            random: SeededRandom(seed: 1), log: RecordingLog()
        ) { hub.publish($0) }
        let token = tokens.issue()
        _ = try await store.insert(NewWorkspace(workspace: Sample.workspace(1, .provisioning), token: token.digest))
        let registry = AgentRegistry(
            records: store, containers: ContainerShelf([Sample.container()]),
            urlGuard: AgentURLGuard(mode: .strict, resolver: ScriptedResolver()), tokens: tokens, live: hub, clock: clock,
            log: RecordingLog())
        do {
            try await body(World(store: store, registry: registry, token: token))
        } catch {
            await store.close()
            throw error
        }
        await store.close()
    }

    @Test("an agent registers, beats, wedges, recovers and is removed", arguments: databases)
    func life(database: String) async throws {
        try await withWorld(database) { world in
            let card: JSONValue = ["name": "a", "big": .number(JSONNumber(9_007_199_254_740_993)), "text": "<é😀>"]
            let registered = try await world.registry.register(RegistryRig.registration(card: card), bearer: world.token.plaintext)
            #expect(registered.status == .online && registered.url == "http://127.0.0.1:40001" && registered.agentCard == card)
            try await world.beat(["current_task": "t", "active_tasks": 1, "runtime_metadata": ["capabilities": ["session": true]]])
            #expect(try await world.beat(["runtime_state": "wedged", "sample_error": "why"]).condition == .init(.degraded, .wedged))
            #expect(try await world.beat(["active_tasks": 2]).condition == .init(.degraded, .wedged))
            #expect(try await world.beat(["uptime_seconds": 5]).condition == .init(.online))
            let row = try await world.row()
            #expect(row.currentTask == "t" && row.activeTasks == 2 && row.uptimeSeconds == 5 && row.overrides.has(.session))
            #expect(try await world.history() == [.online, .degraded, .online])
            _ = try await world.store.markRemoved(Sample.id, withDescendants: false)
            let refusal = await #expect(throws: Failure.self) { try await world.beat() }
            #expect(refusal?.code == .workspaceRemoved)
            let again = await #expect(throws: Failure.self) {
                try await world.registry.register(RegistryRig.registration(), bearer: world.token.plaintext)
            }
            #expect(again?.code == .workspaceRemoved)
            #expect(try await world.history() == [.online, .degraded, .online, .removed])
        }
    }

    @Test("the token of an earlier generation neither beats nor registers", arguments: databases)
    func earlierGeneration(database: String) async throws {
        try await withWorld(database) { world in
            _ = try await world.store.beginGeneration(of: Sample.id, token: TokenMaker().issue().digest)
            let beat = await #expect(throws: Failure.self) { try await world.beat(["active_tasks": 7]) }
            #expect(beat?.code == .workspaceAuthInvalid)
            let registration = await #expect(throws: Failure.self) {
                try await world.registry.register(RegistryRig.registration(), bearer: world.token.plaintext)
            }
            #expect(registration?.code == .workspaceAuthInvalid)
            #expect(try await world.row().activeTasks == 0)
            #expect(try await world.row().status == .provisioning)
        }
    }
}
