import Model
import TestSupport
import Testing

@testable import Images

@Suite("What is decided about images")
struct ImagePlanTests {
    private let now = Timestamp(seconds: 1_000_000)
    private let interval: Duration = .seconds(300)

    private func image(observed: String?, refused: RefusedImage? = nil) -> TrackedImage {
        var image = TrackedImage(reference: "a/b:1")
        image.observedDigest = observed
        image.refused = refused
        return image
    }

    private func verdict(_ digest: String, _ image: TrackedImage, at now: Timestamp? = nil) -> CheckPlan.Verdict {
        CheckPlan.verdict(on: digest, image, interval: interval, now: now ?? self.now)
    }

    private func refused(_ digest: String, tries: Int, code: ErrorCode = .containerExited) -> RefusedImage {
        RefusedImage(digest: digest, failure: ImageFailure(code: code, message: "m", at: now), tries: tries)
    }

    @Test("the first digest is remembered, the same one means nothing, another one a refresh")
    func digests() {
        #expect(verdict("d1", image(observed: nil)) == .seed)
        #expect(verdict("d1", image(observed: "d1")) == .unchanged)
        #expect(verdict("d2", image(observed: "d1")) == .refresh)
    }

    @Test("a refused digest is tried again, later each time, and at least every six hours")
    func refusals() {
        let once = image(observed: "d1", refused: refused("d2", tries: 1))
        #expect(verdict("d2", once) == .refusedStill(until: now + .seconds(600)))
        #expect(verdict("d2", once, at: now + .seconds(600)) == .refresh)
        #expect(verdict("d3", once) == .refresh, "another one is news")
        let often = image(observed: "d1", refused: refused("d2", tries: 50))
        #expect(verdict("d2", often) == .refusedStill(until: now + .seconds(6 * 3600)))
    }

    @Test("what somebody rolled back from does not come again by itself")
    func rolledBack() {
        let image = image(observed: "d2", refused: refused("d2", tries: 1, code: .rolledBack))
        #expect(verdict("d2", image, at: now + .seconds(1_000_000)) == .unchanged)
        #expect(verdict("d3", image) == .refresh)
    }

    @Test("an image is asked for at most once in the interval, and later when its registry wants that")
    func pace() {
        for dice in [0, 0.5, 0.999] {
            let next = CheckPlan.next(after: now, interval: interval, retryAfter: nil, dice: dice)
            #expect(next >= now + interval && next <= now + .seconds(330))
        }
        #expect(CheckPlan.next(after: now, interval: interval, retryAfter: .seconds(900), dice: 0) == now + .seconds(900))
    }

    @Test("a busy registry is asked again after what it says, else after a doubled pause, with jitter")
    func pauses() {
        #expect(RetryPause.pause(after: 1, retryAfter: nil, dice: 0) == .seconds(2))
        #expect(RetryPause.pause(after: 3, retryAfter: nil, dice: 0) == .seconds(8))
        #expect(RetryPause.pause(after: 30, retryAfter: nil, dice: 0) == .seconds(120))
        #expect(RetryPause.pause(after: 1, retryAfter: .seconds(40), dice: 1) == .seconds(50))
        #expect(RetryPause.pause(after: 1, retryAfter: .zero, dice: 0) == .seconds(1))
    }

    @Test("a meter tells rate and time left from the last seconds, and a stall when nothing came for the limit")
    func meter() {
        var meter = PullMeter(startedAt: now)
        meter.add(PullProgress(status: "Downloading", doneBytes: 0, totalBytes: 100_000), at: now)
        #expect(meter.report(at: now, stallLimit: .seconds(5)).bytesPerSecond == nil)
        meter.add(PullProgress(status: "Downloading", doneBytes: 20_000, totalBytes: 100_000), at: now + .seconds(2))
        let moving = meter.report(at: now + .seconds(2), stallLimit: .seconds(5))
        #expect((moving.bytesPerSecond, moving.secondsLeft, moving.isStalled) == (10_000, 8, false))
        let stalled = meter.report(at: now + .seconds(7), stallLimit: .seconds(5))
        #expect(stalled.isStalled)
        #expect(stalled.progress.doneBytes == 20_000)
    }

    private func row(_ name: String, _ status: WorkspaceStatus, container: String? = nil, image: ImageVersion? = nil) -> Workspace {
        var row = Workspace(
            id: WorkspaceID(random: SeededRandom(seed: UInt64(name.utf8.reduce(7) { $0 * 31 + Int($1) } & 0xffff))), name: name,
            runtime: "echo",
            condition: .init(status), createdAt: now)
        row.containerID = container
        row.imageVersion = image
        return row
    }

    @Test("only what runs another version is replaced; the engine says what runs, not the row")
    func rollout() {
        let (old, new) = (ImageVersion(id: "old", digest: nil), ImageVersion(id: "new", digest: nil))
        var moved = ContainerFacts(id: "c-moved", name: "ws", labels: [:], state: .running)
        moved.imageID = "new"
        let rows = [
            row("b", .online, container: "gone", image: old), row("a", .degraded, image: old),
            row("moved", .online, container: "c-moved", image: old),
            row("same", .online, image: new), row("resting", .paused, image: old), row("asleep", .hibernated, image: old),
            row("broken", .failed, image: old), row("away", .offline, image: old), row("young", .provisioning, image: old),
        ]
        let plan = RolloutPlan(rows: rows, containers: [moved], target: new)
        #expect(plan.replaced.map(\.name) == ["a", "b"])
        #expect(plan.onTarget == 2)
        #expect(plan.skipped.map(\.name) == ["asleep", "away", "broken", "resting", "young"])
    }

    @Test("images are those of templates, overrides and rows, by their full references")
    func catalog() {
        func template(_ id: String, _ runtime: String, image: String?, requires: [String] = [], has: [String: String] = [:]) -> Template {
            var template = Template(id: id, directory: "/t/\(id)")
            (template.runtime, template.image, template.requiredEnv, template.environment) = (runtime, image, requires, has)
            return template
        }
        var named = row("w", .online)
        named.image = "reg:5000/own/echo"
        var canary = row("c", .online)
        (canary.image, canary.isCanary) = ("reg:5000/own/canary", true)
        let catalog = ImageCatalog(
            templates: TemplateCatalog(templates: [
                template("keyed", "alpha", image: "x/alpha:1", requires: ["KEY"]),
                template("plain", "alpha", image: "x/alpha:1"),
                template("secret", "beta", image: "x/beta:1", requires: ["KEY"]),
                template("given", "gamma", image: "x/gamma:1", requires: ["KEY"], has: ["KEY": "v"]),
                template("moved", "delta", image: "x/delta:1"),
            ]), rows: [named, canary], overrides: ["delta": "mine/delta:2"])
        #expect(
            catalog.references == ["mine/delta:2", "reg:5000/own/echo:latest", "x/alpha:1", "x/beta:1", "x/gamma:1"])
        #expect(catalog.references(of: "echo") == ["reg:5000/own/echo:latest"])
        #expect(catalog.references(of: "hermes") == ["ghcr.io/molecule-ai/workspace-template-hermes:latest"])
        #expect(catalog.canary(of: "x/alpha:1")?.id == "plain")
        #expect(catalog.canary(of: "x/beta:1") == nil, "nobody's secrets are there")
        #expect(catalog.canary(of: "x/gamma:1")?.id == "given")
        #expect(catalog.workspaces["reg:5000/own/echo:latest"]?.map(\.name) == ["w"])
    }
}
