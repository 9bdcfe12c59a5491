import Model
import Provisioner
import Sweeper
import TestSupport
import Testing

@Suite("Orphans, from being found to being adopted or purged")
struct OrphanKeeperTests {
    private static let hold = OrphanPolicy().hold

    /// A world whose database was lost: the same engine, empty records that first saw this installation just now.
    private struct Lost {
        let world: World
        let ids: [WorkspaceID]
        let tokens: [WorkspaceID: String]
        let before: World
    }

    /// `count` online workspaces, then an empty database.
    private func lost(_ count: Int = 3) async throws -> Lost {
        let before = try World()
        before.engine.addImage(World.image, environment: [EnvironmentVariable("PATH", "/bin")])
        let provisioner = before.provisioner()
        var ids: [WorkspaceID] = []
        var tokens: [WorkspaceID: String] = [:]
        for number in 1...count {
            var request = before.request("agent \(number)")
            request.secrets = ["API_KEY": "secret-\(number)"]
            request.role = "scribe"
            let id = try await before.provisioned(provisioner, request)
            let token = try before.token(of: id)
            _ = try await before.beat(id, token: token)
            ids.append(id)
            tokens[id] = token
        }
        before.clock.advance(by: .seconds(10))
        return Lost(world: try World(after: before), ids: ids, tokens: tokens, before: before)
    }

    private func running(_ world: World) -> Int { world.engine.boxes.count { $0.facts.state == .running } }

    @Test("while the hold lasts nothing is touched, and a person is told why and what to do")
    func held() async throws {
        let lost = try await lost()
        let keeper = lost.world.keeper(lost.world.provisioner())
        for _ in 1...3 {
            try await keeper.sweep()
            lost.world.clock.advance(by: .seconds(500))
        }
        #expect(running(lost.world) == 3)
        let banner = try #require(keeper.banner)
        for way in ["DATABASE_URL", "orphans adopt", "orphans confirm"] { #expect(banner.contains(way)) }
        #expect(lost.world.log.text.contains { $0.hasPrefix("error") && $0.contains("orphans adopt") })
        let audit = try await lost.world.records.auditEvents(after: 0, limit: 100)
        #expect(audit.filter { $0.kind == .orphanHoldBegan }.count == 1 && audit.filter { $0.kind == .orphanFound }.count == 3)
    }

    @Test("after the hold they are stopped, and kept with their volumes until the retention is over")
    func quarantined() async throws {
        let lost = try await lost()
        let world = lost.world
        let keeper = world.keeper(world.provisioner())
        try await keeper.sweep()
        world.clock.advance(by: Self.hold)
        let volumes = world.engine.volumeNames
        try await keeper.sweep()
        #expect(running(world) == 0 && world.engine.boxes.count == 3 && world.engine.volumeNames == volumes)
        world.clock.advance(by: OrphanPolicy().retention - .seconds(1))
        try await keeper.sweep()
        #expect(world.engine.boxes.count == 3 && world.engine.volumeNames == volumes)
        world.clock.advance(by: .seconds(1))
        try await keeper.sweep()
        #expect(world.engine.boxes.isEmpty && world.engine.volumeNames.isEmpty)
        #expect(try await world.records.orphans().isEmpty)
    }

    @Test("adopted during the hold they go on without a break: same containers, same tokens, secrets and role")
    func adopted() async throws {
        let lost = try await lost()
        let world = lost.world
        let provisioner = world.provisioner()
        let containers = world.engine.boxes.map(\.facts.id)
        let outcomes = try await world.keeper(provisioner).perform(.adopt, on: nil, dryRun: false)
        #expect(outcomes.count == 3 && outcomes.allSatisfy { $0.failure == nil })
        #expect(world.engine.boxes.map(\.facts.id) == containers && running(world) == 3)
        for id in lost.ids {
            let token = try #require(lost.tokens[id])
            _ = try await world.beat(id, token: token).get()
            let row = try world.row(id)
            #expect(row.status == .online && row.role == "scribe" && row.template == "echo" && row.adoptedAt != nil)
            #expect(try await world.records.secrets(of: id).environment["API_KEY"]?.hasPrefix("secret-") == true)
            #expect(Set(try await world.records.secrets(of: id).environment.keys) == ["API_KEY"])
        }
    }

    @Test("adopted after the quarantine they are started again by the reconciler")
    func adoptedLate() async throws {
        let lost = try await lost()
        let world = lost.world
        let provisioner = world.provisioner()
        let keeper = world.keeper(provisioner)
        _ = try await keeper.perform(.confirm, on: nil, dryRun: false)
        #expect(running(world) == 0)
        _ = try await keeper.perform(.adopt, on: nil, dryRun: false)
        await world.loop(provisioner).fullPass()
        await provisioner.idle()
        #expect(running(world) == 3 && world.engine.boxes.count == 3)
        for id in lost.ids { _ = try await world.beat(id, token: try #require(lost.tokens[id])).get() }
    }

    @Test("when the right database comes back the reconciler starts them again, with no command")
    func rightDatabase() async throws {
        let lost = try await lost()
        _ = try await lost.world.keeper(lost.world.provisioner()).perform(.confirm, on: nil, dryRun: false)
        #expect(running(lost.world) == 0)
        let provisioner = lost.before.provisioner()
        await lost.before.loop(provisioner).fullPass()
        await provisioner.idle()
        #expect(running(lost.before) == 3)
        for id in lost.ids {
            #expect(try lost.before.row(id).generation == 1, "nothing was made anew")
            _ = try await lost.before.beat(id, token: try #require(lost.tokens[id])).get()
        }
    }

    @Test("one whose token cannot be read gets a new one, and is started again to read it")
    func tokenless() async throws {
        let lost = try await lost(1)
        let world = lost.world
        let id = lost.ids[0]
        world.engine.faults.on("file", .fail(BackendError(.missing, .pathMissing, "no such file")))
        let failed = try await world.keeper(world.provisioner()).perform(.adopt, on: nil, dryRun: false)
        #expect(failed.first?.failure?.code == .pathMissing && world.records.row(id) == nil, "an engine that fails is no missing token")
        world.engine.forget("/configs/.auth_token", of: try world.onlyBox(of: id).facts.id)
        _ = try await world.keeper(world.provisioner()).perform(.adopt, on: nil, dryRun: false)
        let provisioner = world.provisioner()
        await world.loop(provisioner).fullPass()
        await provisioner.idle()
        #expect(running(world) == 1)
        _ = try await world.beat(id, token: world.token(of: id)).get()
    }

    @Test("volumes alone can be adopted, too: a new container is made on them")
    func volumesOnly() async throws {
        let lost = try await lost(1)
        let world = lost.world
        let container = try world.onlyBox(of: lost.ids[0]).facts.id
        try await world.engine.copy([ContainerFile(path: "config.yaml", bytes: [9])], into: container, at: "/configs")
        try await world.engine.removeContainer(container)
        let volumes = world.engine.volumeNames
        let provisioner = world.provisioner()
        _ = try await world.keeper(provisioner).perform(.adopt, on: nil, dryRun: false)
        await world.loop(provisioner).fullPass()
        await provisioner.idle()
        #expect(running(world) == 1 && world.engine.volumeNames == volumes)
        #expect(try world.onlyBox(of: lost.ids[0]).files["/configs/config.yaml"]?.bytes == [9], "what the agent edited stays")
    }

    @Test("a dry run says what would happen, and nothing does", arguments: OrphanAct.allCases)
    func dryRun(_ act: OrphanAct) async throws {
        let lost = try await lost()
        let keeper = lost.world.keeper(lost.world.provisioner())
        let calls = lost.world.records.faults.count(of: "saveOrphans")
        let outcomes = try await keeper.perform(act, on: nil, dryRun: true)
        #expect(outcomes.count == (act == .adopt || act == .confirm ? 3 : 0))
        #expect(running(lost.world) == 3 && lost.world.records.rows.isEmpty)
        #expect(lost.world.records.faults.count(of: "saveOrphans") == calls)
    }

    @Test("only what is quarantined can be purged, and an id that is no orphan's is refused")
    func refusals() async throws {
        let lost = try await lost()
        let keeper = lost.world.keeper(lost.world.provisioner())
        let outcomes = try await keeper.perform(.purge, on: [lost.ids[0]], dryRun: false)
        #expect(outcomes.first?.failure?.code == .orphanNotQuarantined && running(lost.world) == 3)
        let nobody = WorkspaceID(random: SeededRandom(seed: 99))
        #expect(await code { _ = try await keeper.perform(.purge, on: [nobody], dryRun: false) } == .orphanNotFound)
    }

    @Test("confirmed again, what is quarantined keeps its date; what is decided shows in the banner at once")
    func confirmedTwice() async throws {
        let lost = try await lost()
        let world = lost.world
        let keeper = world.keeper(world.provisioner())
        try await keeper.sweep()
        #expect(keeper.banner?.contains("3 older workspaces") == true)
        _ = try await keeper.perform(.confirm, on: [lost.ids[0]], dryRun: false)
        #expect(keeper.banner?.contains("2 older workspaces") == true)
        let since = try #require(try await world.records.orphans().first { $0.workspaceID == lost.ids[0] }?.quarantinedAt)
        world.clock.advance(by: .seconds(60))
        let again = try await keeper.perform(.confirm, on: [lost.ids[0]], dryRun: false)
        #expect(again.map(\.did) == ["quarantined"])
        #expect(try await world.records.orphans().first { $0.workspaceID == lost.ids[0] }?.quarantinedAt == since)
        _ = try await keeper.perform(.adopt, on: nil, dryRun: false)
        #expect(keeper.banner == nil)
    }

    @Test("restored, one runs again and is left alone until somebody decides")
    func restored() async throws {
        let lost = try await lost(1)
        let world = lost.world
        let keeper = world.keeper(world.provisioner())
        _ = try await keeper.perform(.confirm, on: nil, dryRun: false)
        _ = try await keeper.perform(.restore, on: nil, dryRun: false)
        #expect(running(world) == 1)
        for _ in 1...3 {
            world.clock.advance(by: OrphanPolicy().retention)
            try await keeper.sweep()
        }
        #expect(running(world) == 1)
    }

    @Test("an engine or a store that cannot be read ends the cycle before anything is done", arguments: ["containers", "volumes"])
    func unknown(_ call: String) async throws {
        let lost = try await lost()
        let world = lost.world
        let keeper = world.keeper(world.provisioner())
        try await keeper.sweep()
        world.clock.advance(by: .seconds(100_000))
        world.engine.faults.on(call, nth: 0, .fail(BackendError.down))
        #expect(await code { try await keeper.sweep() } == .engineUnavailable)
        world.engine.faults.clear()
        world.records.faults.on("statuses", nth: 0, .fail(StoreError.unavailable))
        #expect(await code { try await keeper.sweep() } == .platformUnavailable)
        #expect(running(world) == 3)
    }

    @Test("a crash between any two steps of a quarantine ends in a quarantine", arguments: ["saveOrphans", "stop"])
    func crash(_ call: String) async throws {
        let lost = try await lost(1)
        let world = lost.world
        for fault in [FaultScript.Fault.fail(BackendError.down), .loseReply(BackendError.down)] {
            world.engine.faults.on(call, nth: world.engine.faults.count(of: call) + 1, fault)
            world.records.faults.on(call, nth: world.records.faults.count(of: call) + 2, fault)
            _ = try await world.keeper(world.provisioner()).perform(.confirm, on: nil, dryRun: false)
        }
        world.engine.faults.clear()
        world.records.faults.clear()
        let next = world.keeper(world.provisioner())
        try await next.sweep()
        #expect(running(world) == 0)
        #expect(try await world.records.orphans().map(\.state) == [.quarantined])
    }

    @Test("strangers are listed, and never touched")
    func strangers() async throws {
        let lost = try await lost(1)
        let world = lost.world
        world.engine.addForeign(name: "ws-decoy")
        world.engine.addForeign(
            name: "other", labels: [WorkspaceLabels.managed: "true", WorkspaceLabels.instance: "another-installation"])
        let keeper = world.keeper(world.provisioner())
        try await keeper.sweep()
        world.clock.advance(by: .seconds(1_000_000))
        try await keeper.sweep()
        let report = try await keeper.report()
        #expect(Set(report.strangers.map(\.name)) == ["ws-decoy", "other"])
        #expect(running(world) == 2)
    }
}
