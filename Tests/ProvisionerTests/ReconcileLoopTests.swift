import Model
import Provisioner
import Sweeper
import TestSupport
import Testing

@Suite("The reconcile loop")
struct ReconcileLoopTests {
    private func running<Result: Sendable>(_ loop: ReconcileLoop, _ body: () async throws -> Result) async throws -> Result {
        let task = Task { await loop.run() }
        do {
            let result = try await body()
            task.cancel()
            await task.value
            return result
        } catch {
            task.cancel()
            await task.value
            throw error
        }
    }

    @Test("says when it last looked, and why it could not")
    func health() async throws {
        let world = try World()
        let loop = world.loop(world.provisioner())
        #expect(loop.lastTick == nil)
        world.engine.faults.on("containers", .fail(BackendError.down))
        await loop.fullPass()
        #expect(loop.lastTick == nil && loop.lastError == .engineUnavailable)
        await loop.fullPass()
        #expect(loop.lastTick == world.clock.now() && loop.lastError == nil)
        world.records.faults.on("liveWorkspaces", nth: world.records.faults.count(of: "liveWorkspaces") + 1, .fail(StoreError.unavailable))
        await loop.fullPass()
        #expect(loop.lastError == .platformUnavailable)
    }

    @Test("an engine or a store that does not answer proves nothing: no row is touched")
    func unknown() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await world.provisioned(provisioner)
        world.clock.advance(by: .seconds(100_000))
        world.engine.faults.on("containers", .fail(BackendError.down))
        let before = world.records.history(of: id)
        await world.loop(provisioner).fullPass()
        #expect(world.records.history(of: id) == before)
    }

    @Test("looks again after each interval")
    func interval() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let loop = world.loop(provisioner)
        let id = try await world.provisioned(provisioner)
        try await running(loop) {
            while loop.lastTick == nil || world.clock.sleeperCount == 0 { await Task.yield() }
            world.clock.advance(by: .seconds(600))
            while try world.row(id).status != .failed { await Task.yield() }
        }
        #expect(try world.row(id).failure?.code == .registerTimeout)
    }

    @Test("a port that the engine moved is known at the start event")
    func moved() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await world.provisioned(provisioner)
        _ = try await world.beat(id, token: world.token(of: id))
        try await running(world.loop(provisioner)) {
            while world.engine.watcherCount == 0 { await Task.yield() }
            let before = try world.row(id).url
            world.engine.restart(try world.onlyBox(of: id).facts.id)
            while try world.row(id).url == before { await Task.yield() }
        }
        #expect(try world.row(id).url == world.onlyBox(of: id).facts.agentURL)
        #expect(try world.row(id).status == .online)
    }

    @Test("a death is told before the engine is asked about the container that dies")
    func toldAtOnce() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await world.provisioned(provisioner)
        _ = try await world.beat(id, token: world.token(of: id))
        world.clock.advance(by: .seconds(1))
        try await running(world.loop(provisioner)) {
            while world.engine.watcherCount == 0 { await Task.yield() }
            // The two full passes of a start have read their containers: neither can be the one that tells.
            while world.engine.faults.count(of: "containers") < 2 { await Task.yield() }
            world.engine.faults.on("containersOf", nth: world.engine.faults.count(of: "containersOf") + 1, .hangBefore)
            world.engine.kill(try world.onlyBox(of: id).facts.id, exitCode: 9)
            await world.engine.faults.waitUntilHung()
            #expect(try world.row(id).status == .offline)
            world.engine.faults.release()
        }
        let told = try #require(world.records.history(of: id).first { $0.kind == .offline })
        #expect(told.payload["reason"]?.string == "its container ended with exit code 9")
    }

    @Test("listens again after the engine went away, with a full look in between")
    func reconnects() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        world.engine.faults.on("events", .fail(BackendError.down))
        let id = try await world.provisioned(provisioner)
        world.engine.kill(try world.onlyBox(of: id).facts.id, exitCode: 1)
        try await running(world.loop(provisioner)) {
            while try world.row(id).status != .failed { await Task.yield() }
            while world.clock.sleeperCount < 2 { await Task.yield() }
            world.clock.advance(by: .milliseconds(500))
            while world.engine.watcherCount == 0 { await Task.yield() }
        }
    }

    @Test("a cleanup that hangs delays neither the next death nor its report")
    func hangingCleanup() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let stuck = try await world.provisioned(provisioner, world.request("stuck"))
        let other = try await world.provisioned(provisioner, world.request("other"))
        _ = try await world.records.markRemoved(stuck, withDescendants: false)
        world.engine.faults.on("removeContainer", .hangBefore)
        try await running(world.loop(provisioner)) {
            await world.engine.faults.waitUntilHung()
            while world.engine.watcherCount == 0 { await Task.yield() }
            world.engine.kill(try world.onlyBox(of: other).facts.id, exitCode: 2)
            while try world.row(other).status != .failed { await Task.yield() }
            world.engine.faults.release()
        }
        #expect(try world.row(other).failure?.exitCode == 2)
    }

    @Test("two full passes at once take up an interrupted provision once")
    func twice() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        world.records.faults.on("secrets", .fail(StoreError.unavailable))
        let id = try await world.provisioned(provisioner)
        #expect(world.engine.boxes.isEmpty)
        let loop = world.loop(provisioner)
        async let first: Void = loop.fullPass()
        async let second: Void = loop.fullPass()
        _ = await (first, second)
        await provisioner.idle()
        #expect(try world.onlyBox(of: id).facts.generation == world.row(id).generation)
        #expect(world.engine.faults.count(of: "createContainer") <= 2)
    }

    @Test("containers of other installations and of no workspace are not seen, and not touched")
    func foreign() async throws {
        let world = try World()
        let nobody = WorkspaceID(random: SeededRandom(seed: 4)).text
        world.engine.addForeign(
            name: "ws-other",
            labels: [
                WorkspaceLabels.managed: "true", WorkspaceLabels.instance: "another", WorkspaceLabels.workspaceID: nobody,
            ])
        world.engine.addForeign(
            name: "ws-orphan",
            labels: [
                WorkspaceLabels.managed: "true", WorkspaceLabels.instance: world.engine.instance.text, WorkspaceLabels.workspaceID: nobody,
            ])
        await world.loop(world.provisioner()).fullPass()
        #expect(world.engine.boxes.count == 2)
    }
}
