import Model
import TestSupport
import Testing

@testable import Images

@Suite("A refresh, from the registry to the last workspace")
struct ImageRefreshTests {
    private static let reference = KeeperFixture.reference

    @Test("a new version is pulled by its digest, proved on a canary, named, and rolled out one by one")
    func wholeStory() async throws {
        let fixture = try KeeperFixture()
        try await fixture.bring("sha256:a")
        try await fixture.workspaces("one", "two")
        fixture.publish("sha256:b")
        let report = try await fixture.refresh()
        #expect((report.pulled, report.failed) == (["echo"], []))
        #expect(fixture.hands.proofs == ["id-sha256:b"])
        #expect(fixture.hands.replaced == ["one", "two"])
        #expect(fixture.engine.imageID(Self.reference) == "id-sha256:b")
        let image = try await fixture.image
        #expect(image.current == ImageVersion(id: "id-sha256:b", digest: "sha256:b"))
        #expect(image.previous == ImageVersion(id: "id-sha256:a", digest: "sha256:a"))
        #expect(image.rollout?.state == .done)
        #expect((image.rollout?.done, image.rollout?.total) == (2, 2))
        #expect(fixture.engine.imageID(ImageVersion(id: "id-sha256:a", digest: nil).keptName) == "id-sha256:a", "kept by a name of ours")
        let kinds = try await fixture.records.auditEvents(after: 0, limit: 9).map(\.kind)
        #expect(kinds == [.imageAccepted, .imageRolledOut])
    }

    @Test("without recreate the new version is for workspaces made from now on")
    func withoutRecreate() async throws {
        let fixture = try KeeperFixture()
        try await fixture.bring("sha256:a")
        try await fixture.workspaces("one")
        fixture.publish("sha256:b")
        _ = try await fixture.refresh(false)
        #expect(fixture.hands.replaced.isEmpty)
        #expect(try await fixture.supply.provide(Self.reference) { _ in }.digest == "sha256:b")
    }

    @Test("nothing is pulled, proved or replaced when the digest is the one that runs")
    func upToDate() async throws {
        let fixture = try KeeperFixture()
        try await fixture.bring("sha256:a")
        try await fixture.workspaces("one")
        let pulls = fixture.engine.faults.count(of: "pull")
        let report = try await fixture.refresh()
        #expect(report.pulled == ["echo"])
        #expect(fixture.engine.faults.count(of: "pull") == pulls)
        #expect(fixture.hands.proofs.isEmpty && fixture.hands.replaced.isEmpty)
    }

    @Test("a version whose canary dies is refused, and nobody is touched")
    func refusedCanary() async throws {
        let fixture = try KeeperFixture()
        try await fixture.bring("sha256:a")
        try await fixture.workspaces("one")
        fixture.publish("sha256:b")
        fixture.hands.failProof(Failure(.containerExited, "it ended"))
        let report = try await fixture.refresh()
        #expect(report.failed == ["echo"])
        #expect(report.outcomes.first?.failure?.code == .containerExited)
        #expect(fixture.hands.replaced.isEmpty)
        #expect(fixture.engine.imageID(Self.reference) == "id-sha256:a", "the tag means what has proved itself")
        let image = try await fixture.image
        #expect(image.current?.digest == "sha256:a")
        #expect(image.refused?.digest == "sha256:b")
        #expect(image.rollout?.state == .refused)
        #expect(image.observedDigest != "sha256:b", "so that it is tried again")
    }

    @Test("an engine that is away says nothing about the version")
    func engineAway() async throws {
        let fixture = try KeeperFixture()
        try await fixture.bring("sha256:a")
        fixture.publish("sha256:b")
        fixture.hands.failProof(Failure(.engineUnavailable, "the engine does not answer"))
        _ = try await fixture.refresh()
        let image = try await fixture.image
        #expect(image.refused == nil)
        #expect(image.rollout?.state == .failed)
    }

    @Test("an engine that goes away in the middle of a trial says nothing about the version, either")
    func engineAwayInTrial() async throws {
        let fixture = try KeeperFixture(canary: false)
        try await fixture.bring("sha256:a")
        try await fixture.workspaces("one")
        fixture.publish("sha256:b")
        fixture.hands.fail(BackendError(.unavailable, .engineUnavailable, "away"))
        let report = try await fixture.refresh()
        #expect(report.outcomes.first?.failure?.code == .engineUnavailable)
        let image = try await fixture.image
        #expect(image.refused == nil)
        #expect(image.rollout?.state == .failed)
        #expect(try await fixture.records.auditEvents(after: 0, limit: 9).map(\.kind) == [.imageRefreshFailed])
    }

    @Test("a row whose image no engine takes spoils nobody's list")
    func malformedRow() async throws {
        let fixture = try KeeperFixture()
        try await fixture.bring("sha256:a")
        try await fixture.workspaces("one")
        var row = try #require(fixture.records.rows.first)
        row.image = "../../x"
        fixture.records.arrange(row)
        #expect(try await fixture.keeper.report().map(\.image.reference) == [Self.reference])
    }

    @Test("where no template starts without secrets, the first workspace shows whether the version works")
    func firstIsCanary() async throws {
        let fixture = try KeeperFixture(canary: false)
        try await fixture.bring("sha256:a")
        try await fixture.workspaces("one", "two", "three")
        fixture.publish("sha256:b")
        fixture.hands.breakOn("one")
        let refused = try await fixture.refresh()
        #expect(refused.failed == ["echo"])
        #expect(fixture.hands.replaced.isEmpty, "nobody else is touched")
        #expect(fixture.engine.imageID(Self.reference) == "id-sha256:a")
        #expect(fixture.hands.proofs.isEmpty)

        let fine = try KeeperFixture(canary: false)
        try await fine.bring("sha256:a")
        try await fine.workspaces("one", "two", "three")
        fine.publish("sha256:c")
        #expect(try await fine.refresh().outcomes.first?.recreated.count == 3)
        #expect(fine.hands.replaced == ["one", "three", "two"], "by name, each once")
        #expect(fine.engine.imageID(Self.reference) == "id-sha256:c")
    }

    @Test("one that does not come back in the middle ends the rollout, and the tag goes back")
    func stopsInTheMiddle() async throws {
        let fixture = try KeeperFixture()
        try await fixture.bring("sha256:a")
        try await fixture.workspaces("a", "b", "c")
        fixture.publish("sha256:b")
        fixture.hands.breakOn("b")
        let report = try await fixture.refresh()
        #expect(report.failed == ["echo"])
        #expect(fixture.hands.replaced == ["a"])
        #expect(fixture.engine.imageID(Self.reference) == "id-sha256:a")
        #expect(try await fixture.image.refused?.digest == "sha256:b")
        #expect(report.outcomes.first?.failure?.message.hasPrefix("b: ") == true, "it says who")
    }

    @Test("one that passes its canary and fails on a workspace is tried later each time")
    func failsLaterAndLater() async throws {
        let fixture = try KeeperFixture()
        try await fixture.bring("sha256:a")
        try await fixture.workspaces("a")
        fixture.publish("sha256:b")
        fixture.hands.breakOn("a")
        for tries in 1...3 {
            _ = try await fixture.refresh()
            #expect(try await fixture.image.refused?.tries == tries)
        }
        fixture.hands.mend("a")
        _ = try await fixture.refresh()
        #expect(try await fixture.image.refused == nil && fixture.hands.replaced == ["a"])
    }

    @Test(
        "a rollout that an engine or a stop interrupts is not over, and goes on with the next round",
        arguments: [ErrorCode.engineUnavailable, .shuttingDown])
    func interruptedRollout(_ code: ErrorCode) async throws {
        let fixture = try KeeperFixture()
        try await fixture.bring("sha256:a")
        try await fixture.workspaces("one", "two")
        fixture.publish("sha256:b")
        fixture.hands.fail(Failure(code, "not now"))
        #expect(try await fixture.refresh().outcomes.first?.failure?.code == code)
        let image = try await fixture.image
        #expect(image.rollout?.state == .rolling && image.current?.digest == "sha256:b")
        fixture.hands.fail(nil)
        await withTaskGroup(of: Void.self) { group in await fixture.keeper.tick { body in group.addTask { await body() } } }
        #expect(fixture.hands.replaced == ["one", "two"])
        #expect(try await fixture.image.rollout?.state == .done)
    }

    @Test("a template that no canary can be made of leaves the version unproven, and not refused")
    func unproven() async throws {
        let fixture = try KeeperFixture()
        try await fixture.bring("sha256:a")
        fixture.publish("sha256:b")
        fixture.hands.failProof(Failure(.imageUnproven, "no canary"))
        _ = try await fixture.refresh()
        let image = try await fixture.image
        #expect(image.refused == nil && image.rollout?.state == .failed && image.current?.digest == "sha256:a")
    }

    @Test("an agent at work is waited for, and left alone when it takes too long")
    func busy() async throws {
        let fixture = try KeeperFixture { $0.busyLimit = .seconds(5) }
        try await fixture.bring("sha256:a")
        try await fixture.workspaces("free", "working")
        fixture.publish("sha256:b")
        fixture.hands.setBusy(["working"])
        let refresh = Task { try await fixture.refresh() }
        let ticker = Task {
            while !Task.isCancelled {
                if fixture.clock.sleeperCount > 0 { fixture.clock.advance(by: .seconds(1)) }
                await Task.yield()
            }
        }
        let report = try await refresh.value
        ticker.cancel()
        #expect(fixture.hands.replaced == ["free"])
        #expect(report.outcomes.first?.skipped == [RefreshSkip(name: "working", reason: "it was at work for 5 s")])
        #expect(try await fixture.image.rollout?.state == .done)
    }

    @Test("one that is being put back after a crash is waited for, and gets the version when it runs again")
    func unsettled() async throws {
        let fixture = try KeeperFixture()
        try await fixture.bring("sha256:a")
        try await fixture.workspaces("one", "two")
        var row = try #require(fixture.records.rows.first { $0.name == "one" })
        row.condition = .init(.provisioning)
        row.kept = KeptContainer(id: "former", generation: 1)
        fixture.records.arrange(row)
        fixture.publish("sha256:b")
        let refresh = Task { try await fixture.refresh() }
        while fixture.clock.sleeperCount == 0 { await Task.yield() }
        #expect(fixture.hands.replaced.isEmpty)
        (row.condition, row.kept) = (.init(.online), nil)
        fixture.records.arrange(row)
        fixture.clock.advance(by: .seconds(1))
        _ = try await refresh.value
        #expect(fixture.hands.replaced == ["one", "two"])
    }

    @Test("a pull that fails changes nothing, and says why")
    func pullFails() async throws {
        let fixture = try KeeperFixture()
        try await fixture.bring("sha256:a")
        fixture.publish("sha256:b")
        fixture.engine.faults.on("pull", nth: 0, .fail(BackendError(.failed, .imageDamaged, "damaged")))
        let report = try await fixture.refresh()
        #expect(report.outcomes.first?.failure?.code == .imageDamaged)
        let image = try await fixture.image
        #expect((image.rollout?.state, image.current?.digest, image.observedDigest) == (.failed, "sha256:a", nil))
    }

    @Test("an unknown runtime is refused with the known ones")
    func unknown() async throws {
        let fixture = try KeeperFixture()
        do {
            _ = try await fixture.keeper.refresh(["nothing"], recreate: true, dryRun: false)
            Issue.record("it was taken")
        } catch let failure as Failure {
            #expect(failure.code == .runtimeUnknown)
            #expect(failure.details["known_runtimes"]?.array?.contains("echo") == true)
        }
    }

    @Test("a dry run asks the registry, and changes nothing")
    func dryRun() async throws {
        let fixture = try KeeperFixture()
        try await fixture.bring("sha256:a")
        try await fixture.workspaces("one")
        fixture.publish("sha256:b")
        let before = fixture.engine.faults.count(of: "pull")
        let report = try await fixture.keeper.refresh(["echo"], recreate: true, dryRun: true)
        #expect(report.outcomes.first?.recreated.count == 1)
        #expect(fixture.engine.faults.count(of: "pull") == before && fixture.hands.replaced.isEmpty)
        #expect(try await fixture.image.rollout == nil)
    }

    @Test("rollback leads to the version before, and the watcher does not come again with the one that was left")
    func rollback() async throws {
        let fixture = try KeeperFixture()
        try await fixture.bring("sha256:a")
        try await fixture.workspaces("one", "two")
        fixture.publish("sha256:b")
        _ = try await fixture.refresh()
        let report = try await fixture.keeper.rollBack("echo", dryRun: false)
        #expect(report.failed.isEmpty && report.outcomes.first?.recreated.count == 2)
        #expect(fixture.engine.imageID(Self.reference) == "id-sha256:a")
        #expect(try await fixture.image.previous?.digest == "sha256:b")
        await fixture.keeper.check(ImageReference(Self.reference))
        #expect(fixture.engine.imageID(Self.reference) == "id-sha256:a")
        #expect(try await fixture.image.current?.digest == "sha256:a")
    }

    @Test("without an earlier version there is no way back, and that is said")
    func noWayBack() async throws {
        let fixture = try KeeperFixture()
        try await fixture.bring("sha256:a")
        let report = try await fixture.keeper.rollBack("echo", dryRun: false)
        #expect(report.outcomes.first?.failure?.code == .noPreviousImage)
    }

    @Test("an image that was built here is refreshed to what its name means now")
    func builtHere() async throws {
        let fixture = try KeeperFixture()
        fixture.engine.addLocalImage(Self.reference, id: "built-1")
        await fixture.keeper.tick { _ in }
        try await fixture.workspaces("one")
        fixture.engine.addLocalImage(Self.reference, id: "built-2")
        _ = try await fixture.refresh()
        #expect(fixture.hands.replaced == ["one"])
        #expect(fixture.registry.asked.isEmpty, "no registry knows it")
        fixture.engine.addLocalImage(Self.reference, id: "built-3")
        fixture.hands.failProof(Failure(.containerExited, "it ended"))
        _ = try await fixture.refresh()
        #expect(fixture.engine.imageID(Self.reference) == "built-2", "its name goes back")
    }
}
