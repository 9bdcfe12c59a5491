import Model
import Sweeper
import TestSupport
import Testing

/// A database that was put back to an old copy counts generations once more, beside containers of the time after that copy.
@Suite("A row that is older than its containers")
struct OldDatabaseTests {
    private static let offline = WorkspaceCondition(.offline)

    @Test("a container that bears the row's number, and was made before the row's provision, is not the row's")
    func sameNumber() {
        let other = PlanFixture.container(.running) {
            $0.id = "other"
            $0.createdAt = PlanFixture.start - .seconds(60)
        }
        let waiting = PlanFixture.decide(PlanFixture.row(.init(.provisioning)), [other])
        #expect(waiting == [.resume(PlanFixture.id, reason: "there is no container of generation 2")])
        let up = PlanFixture.decide(PlanFixture.row(Self.offline) { $0.url = nil }, [other])
        #expect(up == [.recreate(PlanFixture.id, generation: 2, reason: "its container is gone")])
    }

    @Test("a container that the row names is the row's, however old it is: a resumed one was made long before")
    func named() {
        let own = PlanFixture.container(.running) { $0.createdAt = PlanFixture.start - .seconds(60) }
        #expect(PlanFixture.decide(PlanFixture.row(Self.offline), [own]).isEmpty)
    }

    @Test("an earlier container beside a row whose agent never came is removed: its token is no longer valid")
    func earlierBesideLate() {
        let earlier = PlanFixture.container(.running, generation: 1) { $0.id = "earlier" }
        let actions = PlanFixture.decide(PlanFixture.row(.init(.failed, .registerTimeout)), [earlier])
        #expect(actions == [.removeStale(PlanFixture.id, containers: ["earlier"])])
    }

    @Test("a failed provision removes nothing of a container that is newer than its row")
    func newerThanTheRow() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await world.provisioned(provisioner)
        var row = try world.row(id)
        row.condition = WorkspaceCondition(.failed, .provision)
        row.generation = 0
        row.pendingCleanup = true
        world.records.arrange(row)
        await provisioner.carryOut(.teardown(id, reason: "the provision failed"))
        #expect(world.engine.boxes(of: id).count == 1 && !world.engine.volumeNames.isEmpty)
        #expect(try world.row(id).pendingCleanup)
        #expect(world.log.text.contains { $0.contains("the container is newer than the row") })
        row.generation = 1
        world.records.arrange(row)
        await provisioner.carryOut(.teardown(id, reason: "the provision failed"))
        world.expectNothingLeft(of: id)
    }
}
