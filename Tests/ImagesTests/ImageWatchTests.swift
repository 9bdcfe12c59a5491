import Model
import TestSupport
import Testing

@testable import Images

@Suite("The digest watcher, the next start, and the house")
struct ImageWatchTests {
    private static let reference = KeeperFixture.reference
    private let reference = ImageReference(Self.reference)

    @Test("the first look only remembers; a move is followed; the same digest means nothing")
    func follows() async throws {
        let fixture = try KeeperFixture()
        try await fixture.bring("sha256:a")
        try await fixture.workspaces("one")
        await fixture.keeper.check(reference)
        #expect(try await fixture.image.observedDigest == "sha256:a")
        await fixture.keeper.check(reference)
        #expect(fixture.hands.proofs.isEmpty)
        fixture.publish("sha256:b")
        await fixture.keeper.check(reference)
        #expect(fixture.hands.replaced == ["one"])
        #expect(try await fixture.image.observedDigest == "sha256:b")
        #expect(try await fixture.records.auditEvents(after: 0, limit: 9).first?.kind == .imageMoved)
    }

    @Test("a move while the daemon was down is seen by the next one")
    func seenLater() async throws {
        let fixture = try KeeperFixture()
        try await fixture.bring("sha256:a")
        await fixture.keeper.check(reference)
        fixture.publish("sha256:b")
        let later = ImageKeeper(
            supply: fixture.supply, engine: fixture.engine, records: fixture.records, templates: fixture.templates, trying: fixture.hands,
            random: SeededRandom(seed: 9))
        await later.check(reference)
        #expect(try await fixture.image.current?.digest == "sha256:b")
    }

    @Test("a registry that fails is noted, and the digest stays what it was")
    func registryDown() async throws {
        let fixture = try KeeperFixture()
        try await fixture.bring("sha256:a")
        await fixture.keeper.check(reference)
        fixture.registry.answer(Self.reference, .failure(RegistryFailure(.registryUnreachable, "nobody answers")))
        await fixture.keeper.check(reference)
        let image = try await fixture.image
        #expect(image.checkFailure?.code == .registryUnreachable)
        #expect(image.observedDigest == "sha256:a")
        #expect(fixture.engine.faults.count(of: "pull") == 1, "never a pull to find out")
    }

    @Test("a refused digest is not proved again at once, and a failed pull is tried at the next look")
    func refusedStays() async throws {
        let fixture = try KeeperFixture()
        try await fixture.bring("sha256:a")
        await fixture.keeper.check(reference)
        fixture.publish("sha256:b")
        fixture.engine.faults.on("pull", nth: 0, .fail(BackendError(.failed, .imageDamaged, "damaged")))
        await fixture.keeper.check(reference)
        #expect(try await fixture.image.observedDigest == "sha256:a")
        fixture.engine.faults.clear()
        fixture.hands.failProof(Failure(.containerExited, "it ended"))
        await fixture.keeper.check(reference)
        await fixture.keeper.check(reference)
        #expect(fixture.hands.proofs.count == 1)
        fixture.clock.advance(by: .seconds(600))
        await fixture.keeper.check(reference)
        #expect(fixture.hands.proofs.count == 2)
        #expect(try await fixture.image.refused?.tries == 2)
    }

    @Test("each image is asked for at most once in an interval, also across restarts, and a pinned one never")
    func pace() async throws {
        let fixture = try KeeperFixture { $0.checkInterval = .seconds(60) }
        try await fixture.bring("sha256:a")
        func round(_ keeper: ImageKeeper) async {
            await withTaskGroup(of: Void.self) { group in await keeper.tick { check in group.addTask { await check() } } }
        }
        await round(fixture.keeper)
        await round(fixture.keeper)
        fixture.clock.advance(by: .seconds(30))
        await round(fixture.keeper)
        #expect(fixture.registry.asked.count == 1)
        let later = ImageKeeper(
            supply: fixture.supply, engine: fixture.engine, records: fixture.records, templates: fixture.templates, trying: fixture.hands,
            random: SeededRandom(seed: 9))
        await round(later)
        #expect(fixture.registry.asked.count == 1, "the last look is written down")
        fixture.clock.advance(by: .seconds(40))
        await round(later)
        #expect(fixture.registry.asked.count == 2)
    }

    @Test("a refresh that its daemon did not finish is finished by the next", arguments: [ImageRollout.State.pulling, .proving, .rolling])
    func finished(_ state: ImageRollout.State) async throws {
        let fixture = try KeeperFixture()
        try await fixture.bring("sha256:a")
        try await fixture.workspaces("one", "two")
        fixture.publish("sha256:b")
        var image = try await fixture.image
        image.rollout = ImageRollout(state: state, target: "sha256:b", recreates: true, isRollback: false, startedAt: fixture.clock.now())
        if state == .rolling {
            try await fixture.engine.pull("reg/echo@sha256:b") { _ in }
            try await fixture.engine.tag("id-sha256:b", as: Self.reference)
            (image.previous, image.current) = (image.current, ImageVersion(id: "id-sha256:b", digest: "sha256:b"))
        }
        try await fixture.records.save(image, retired: [], audit: [])
        #expect(fixture.keeper.isLeft(image))
        await fixture.keeper.finish(image)
        #expect(fixture.hands.replaced == ["one", "two"])
        #expect(try await fixture.image.rollout?.state == .done)
        #expect(try await !fixture.keeper.isLeft(fixture.image))
    }

    @Test("an image that nothing names any more goes with its versions, when both times are over")
    func unnamed() async throws {
        let fixture = try KeeperFixture { $0.retention = .seconds(3600) }
        try await fixture.bring("sha256:a")
        var other = TrackedImage(reference: "reg/gone:1")
        try await fixture.engine.pull("reg/gone@sha256:x") { _ in }
        try await fixture.engine.tag("id-sha256:x", as: other.reference)
        other.current = ImageVersion(id: "id-sha256:x", digest: "sha256:x")
        try await fixture.records.save(other, retired: [], audit: [])
        func ticks() async throws -> Bool {
            await fixture.keeper.tick { _ in }
            return try await fixture.records.trackedImage(other.reference) != nil
        }
        #expect(try await ticks())
        fixture.clock.advance(by: .seconds(3599))
        #expect(try await ticks())
        fixture.clock.advance(by: .seconds(1))
        #expect(try await !ticks() && fixture.engine.hasImage(id: "id-sha256:x"))
        fixture.clock.advance(by: .seconds(3600))
        #expect(try await !ticks() && !fixture.engine.hasImage(id: "id-sha256:x"))
        #expect(try await fixture.records.trackedImage(Self.reference) != nil && fixture.engine.hasImage(id: "id-sha256:a"))
    }

    @Test("a retired image that somebody else named stays, and keeps no other from going")
    func namedByOthers() async throws {
        let fixture = try KeeperFixture { $0.retention = .seconds(3600) }
        try await fixture.bring("sha256:a")
        for digest in ["sha256:b", "sha256:c", "sha256:d"] {
            fixture.publish(digest)
            _ = try await fixture.refresh(false)
        }
        fixture.engine.name("id-sha256:a", "app:backup")
        fixture.clock.advance(by: .seconds(3601))
        let pruned = try await fixture.keeper.prune(dryRun: false)
        #expect(pruned.filter(\.removed).map(\.image.digest) == ["sha256:b"])
        #expect(pruned.first { $0.image.digest == "sha256:a" }?.reason == "somebody named it app:backup")
        #expect(fixture.engine.hasImage(id: "id-sha256:a"))
    }

    @Test("current and previous are kept; what is older goes after its time, unless a container needs it")
    func house() async throws {
        let fixture = try KeeperFixture { $0.retention = .seconds(3600) }
        try await fixture.bring("sha256:a")
        for digest in ["sha256:b", "sha256:c", "sha256:d"] {
            fixture.publish(digest)
            _ = try await fixture.refresh(false)
        }
        #expect(try await fixture.records.retiredImages().map(\.digest) == ["sha256:a", "sha256:b"])
        #expect(try await fixture.keeper.prune(dryRun: false).allSatisfy { !$0.removed }, "their time is not over")
        fixture.clock.advance(by: .seconds(3601))
        let spec = ContainerSpec(
            name: "foreign", image: "id-sha256:b",
            labels: WorkspaceLabels(
                workspace: Workspace(
                    id: WorkspaceID(random: SeededRandom(seed: 4)), name: "x", runtime: "echo", condition: .init(.paused),
                    createdAt: fixture.clock.now())))
        _ = try await fixture.engine.createContainer(spec)
        let dry = try await fixture.keeper.prune(dryRun: true)
        #expect(dry.filter { $0.reason == nil }.map(\.image.digest) == ["sha256:a"])
        #expect(fixture.engine.hasImage(id: "id-sha256:a"), "a dry run removes nothing")
        let pruned = try await fixture.keeper.prune(dryRun: false)
        #expect(pruned.filter(\.removed).map(\.image.digest) == ["sha256:a"])
        #expect(!fixture.engine.hasImage(id: "id-sha256:a") && fixture.engine.hasImage(id: "id-sha256:b"))
        #expect(fixture.engine.hasImage(id: "id-sha256:c") && fixture.engine.hasImage(id: "id-sha256:d"))
        #expect(try await fixture.records.retiredImages().map(\.digest) == ["sha256:b"])
    }
}
