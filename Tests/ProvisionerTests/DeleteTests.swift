import Model
import Provisioner
import Sweeper
import TestSupport
import Testing

@Suite("Deleting workspaces")
struct DeleteTests {
    /// A parent, its child and its grandchild, all running.
    private func family(_ world: World, _ provisioner: WorkspaceProvisioner) async throws -> [WorkspaceID] {
        var ids: [WorkspaceID] = []
        for name in ["parent", "child", "grandchild"] {
            var request = world.request(name)
            request.parentID = ids.last
            world.clock.advance(by: .milliseconds(1))
            ids.append(try await world.provisioned(provisioner, request))
        }
        return ids
    }

    @Test("an unknown workspace is not found, and nothing is told about it")
    func unknown() async throws {
        let world = try World()
        let nobody = WorkspaceID(random: SeededRandom(seed: 99))
        #expect(await code { _ = try await world.provisioner().delete(nobody, confirmed: true) } == .workspaceNotFound)
        #expect(world.records.history(of: nobody).isEmpty)
    }

    @Test("a workspace without children goes at once, rows first")
    func alone() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await world.provisioned(provisioner)
        let deletion = try await provisioner.delete(id, confirmed: false)
        #expect(deletion.removedIDs == [id] && deletion.failures.isEmpty)
        #expect(try world.row(id).status == .removed && world.row(id).url == nil)
        #expect(world.records.liveTokens(of: id) == 0)
        #expect(world.records.history(of: id).last?.payload == ["cascade_deleted": 0])
        world.expectNothingLeft(of: id)
    }

    @Test("children must be confirmed, and are named")
    func confirmation() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let ids = try await family(world, provisioner)
        do {
            _ = try await provisioner.delete(ids[0], confirmed: false)
            Issue.record("it was not refused")
        } catch let failure as Failure {
            #expect(failure.code == .confirmationRequired)
            #expect(failure.details["children"] == [["id": .string(ids[1].text), "name": "child"]])
            #expect(failure.details["children_count"]?.int == 1)
        }
        #expect(world.engine.boxes.count == 3)
        let deletion = try await provisioner.delete(ids[0], confirmed: true)
        #expect(deletion.removedIDs == ids)
        #expect(world.engine.boxes.isEmpty && world.engine.volumeNames.isEmpty)
        #expect(world.records.history(of: ids[0]).last?.payload == ["cascade_deleted": 2])
        #expect(world.records.history(of: ids[1]).last?.payload.isEmpty == true)
    }

    @Test("a failure at the engine is told truthfully, and a repeated delete visits descendants again")
    func retry() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let ids = try await family(world, provisioner)
        world.engine.faults.on("removeContainer", nth: 0, .fail(BackendError.down))
        let first = try await provisioner.delete(ids[0], confirmed: true)
        #expect(first.removedIDs == ids)
        #expect(first.failures == ids.map { Deletion.Problem(id: $0, code: .engineUnavailable) })
        #expect(world.engine.volumeNames.count == 6)
        #expect(world.records.rows.allSatisfy { $0.status == .removed && $0.pendingCleanup })
        world.engine.faults.clear()
        let second = try await provisioner.delete(ids[0], confirmed: false)
        #expect(Set(second.removedIDs) == Set(ids) && second.failures.isEmpty)
        #expect(world.engine.boxes.isEmpty && world.engine.volumeNames.isEmpty)
        let third = try await provisioner.delete(ids[0], confirmed: false)
        #expect(third.removedIDs.isEmpty && third.failures.isEmpty)
    }

    @Test("an engine that hangs on one workspace holds up neither the others nor the caller")
    func hanging() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let ids = try await family(world, provisioner)
        world.engine.faults.on("removeContainer", .hangBefore)
        async let deletion = provisioner.delete(ids[0], confirmed: true)
        await world.engine.faults.waitUntilHung()
        while world.records.rows.count(where: \.pendingCleanup) != 1 || world.clock.sleeperCount != 1 { await Task.yield() }
        world.clock.advance(by: .seconds(31))
        let result = try await deletion
        #expect(result.failures.map(\.code) == [.engineTimeout])
        #expect(world.records.rows.count(where: \.pendingCleanup) == 1)
        world.engine.faults.release()
    }

    @Test("a store that does not answer stops the delete before any container is touched")
    func storeDown() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await world.provisioned(provisioner)
        world.records.faults.on("markRemoved", .fail(StoreError.unavailable))
        #expect(await code { _ = try await provisioner.delete(id, confirmed: true) } == .platformUnavailable)
        #expect(try world.onlyBox(of: id).facts.state == .running)
    }

    @Test("the caller's hang-up does not stop it")
    func detached() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await world.provisioned(provisioner)
        world.engine.faults.on("volumesOf", .hangBefore)
        let caller = Task { try? await provisioner.delete(id, confirmed: true) }
        await world.engine.faults.waitUntilHung()
        #expect(world.engine.boxes.isEmpty)
        caller.cancel()
        world.engine.faults.clear()
        world.engine.faults.release()
        _ = await caller.value
        // The hung call was let go; what it left is pending and not lost.
        #expect(try world.row(id).pendingCleanup)
        await world.loop(provisioner).fullPass()
        world.expectNothingLeft(of: id)
    }

    @Test("a create that the engine is still busy with is waited for, and what it made is removed")
    func createUnderWay() async throws {
        let world = try World()
        world.engine.faults.on("createContainer", .slow)
        let provisioner = world.provisioner()
        let id = try await provisioner.create(world.request()).workspace.id
        while world.engine.faults.slowCount == 0 { await Task.yield() }
        async let deletion = provisioner.delete(id, confirmed: false)
        while try world.row(id).status != .removed || world.clock.sleeperCount == 0 { await Task.yield() }
        // The delete has cancelled the provision and waits for it; give a wrong one the time to run ahead.
        for _ in 0..<1000 { await Task.yield() }
        world.engine.faults.finishSlow()
        #expect(try await deletion.failures.isEmpty)
        await provisioner.idle()
        world.expectNothingLeft(of: id)
    }

    @Test("a provision whose turn comes after its workspace was removed makes nothing")
    func removedBeforeItsTurn() async throws {
        var settings = ProvisionSettings()
        settings.maxConcurrentProvisions = 1
        let world = try World(settings: settings)
        world.engine.faults.on("ensureNetwork", .hangBefore)
        let provisioner = world.provisioner()
        _ = try await provisioner.create(world.request("first"))
        await world.engine.faults.waitUntilHung()
        let waiting = try await provisioner.create(world.request("second")).workspace.id
        // Another process removes it: this one has nothing to cancel.
        _ = try await world.provisioner().delete(waiting, confirmed: false)
        world.engine.faults.release()
        await provisioner.idle()
        world.expectNothingLeft(of: waiting)
        #expect(world.phases(waiting).isEmpty)
    }

    @Test("a container that turns up after its workspace was removed is found and removed")
    func lateContainer() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await world.provisioned(provisioner)
        let spec = try world.onlyBox(of: id).spec
        _ = try await provisioner.delete(id, confirmed: true)
        _ = try await world.engine.createContainer(spec)
        let keeper = world.keeper(provisioner)
        try await keeper.sweep()
        world.clock.advance(by: OrphanPolicy().grace)
        #expect(world.engine.boxes(of: id).count == 1, "one sighting is not enough, and neither is a young one")
        try await keeper.sweep()
        world.expectNothingLeft(of: id)
    }
}
