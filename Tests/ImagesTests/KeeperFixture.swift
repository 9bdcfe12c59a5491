import Model
import Synchronization
import TestSupport
import Testing

@testable import Images

/// A keeper over an engine, a registry and records in memory. Containers are replaced by whatever the test's own hands do.
struct KeeperFixture {
    static let reference = "reg/echo:1"

    let clock = ManualClock()
    let engine: FakeEngine
    let records: FakeRecords
    let registry = FakeRegistry()
    let hands: FakeHands
    let templates: FakeTemplates
    let supply: ImageSupply
    let keeper: ImageKeeper
    let log = RecordingLog()

    /// `canary` says whether some template can start without anybody's secrets.
    init(canary: Bool = true, _ change: (inout ImageSettings) -> Void = { _ in }) throws {
        engine = FakeEngine(instance: try #require(InstanceID("instance-of-tests")), clock: clock)
        records = FakeRecords(clock: clock)
        var template = Template(id: "echo", directory: "/t/echo")
        (template.runtime, template.image, template.requiredEnv) = ("echo", Self.reference, canary ? [] : ["KEY"])
        templates = FakeTemplates([template])
        hands = FakeHands(engine: engine, records: records)
        var settings = ImageSettings()
        settings.watches = true
        change(&settings)
        let random = SeededRandom(seed: 3)
        supply = ImageSupply(
            engine: engine, registry: registry, records: records, settings: settings, metrics: ImageMetrics(), clock: clock,
            random: random, log: log)
        keeper = ImageKeeper(
            supply: supply, engine: engine, records: records, templates: templates, trying: hands, random: random)
    }

    /// The registry names `digest` from now on.
    func publish(_ digest: String) {
        registry.answer(Self.reference, .success(digest))
        engine.offerForPull(Self.reference, digest: digest)
    }

    /// The engine has `digest` under the reference, as after a first provision.
    func bring(_ digest: String) async throws {
        publish(digest)
        _ = try await supply.provide(Self.reference) { _ in }
    }

    /// Workspaces that run what the reference means now, with their containers.
    func workspaces(_ names: String...) async throws {
        for (index, name) in names.enumerated() {
            let id = WorkspaceID(random: SeededRandom(seed: UInt64(100 + index)))
            var row = Workspace(id: id, name: name, runtime: "echo", condition: .init(.online), createdAt: clock.now())
            (row.image, row.generation) = (Self.reference, 1)
            let spec = ContainerSpec(name: "ws-\(id.prefix12)", image: Self.reference, labels: WorkspaceLabels(workspace: row))
            row.containerID = try await engine.createContainer(spec)
            records.arrange(row)
        }
    }

    var image: TrackedImage { get async throws { try #require(try await records.trackedImage(Self.reference)) } }

    func refresh(_ recreate: Bool = true) async throws -> RefreshReport {
        try await keeper.refresh(["echo"], recreate: recreate, dryRun: false)
    }
}

/// Replaces containers at once, and lets canaries live or die as a test says.
final class FakeHands: ImageTrying {
    private struct State {
        var proofs: [String] = []
        var proofFailure: Failure?
        var broken: [String: ErrorCode] = [:]
        var busy: Set<String> = []
        var replaced: [String] = []
        var failure: (any CodedError)?
    }

    private let engine: FakeEngine
    private let records: FakeRecords
    private let state = Mutex(State())

    init(engine: FakeEngine, records: FakeRecords) {
        self.engine = engine
        self.records = records
    }

    var proofs: [String] { state.withLock { $0.proofs } }
    var replaced: [String] { state.withLock { $0.replaced } }

    func failProof(_ failure: Failure?) { state.withLock { $0.proofFailure = failure } }
    /// Its new container does not come back.
    func breakOn(_ name: String, _ code: ErrorCode = .containerExited) { state.withLock { $0.broken[name] = code } }
    func mend(_ name: String) { state.withLock { $0.broken[name] = nil } }
    func setBusy(_ names: Set<String>) { state.withLock { $0.busy = names } }
    /// No container can be replaced now.
    func fail(_ failure: (any CodedError)?) { state.withLock { $0.failure = failure } }

    func prove(image: String, template: Template, limit: Duration) async throws {
        try state.withLock {
            $0.proofs.append(image)
            if let failure = $0.proofFailure { throw failure }
        }
    }

    func replaceContainer(of id: WorkspaceID, with image: ImageVersion, limit: Duration) async throws -> ReplaceOutcome {
        if let failure = state.withLock({ $0.failure }) { throw failure }
        guard let row = records.row(id) else { return .skipped("gone") }
        if let code = state.withLock({ $0.broken[row.name] }) {
            return .putBack(ImageFailure(code: code, message: "it ended", at: Timestamp(seconds: 1)))
        }
        var changed = row
        for box in engine.boxes(of: id) { try await engine.removeContainer(box.facts.id) }
        let spec = ContainerSpec(name: "ws-\(id.prefix12)", image: image.id, labels: WorkspaceLabels(workspace: row))
        changed.containerID = try await engine.createContainer(spec)
        changed.imageVersion = image
        records.arrange(changed)
        state.withLock { $0.replaced.append(row.name) }
        return .replaced
    }

    func isIdle(_ id: WorkspaceID) async throws -> Bool {
        guard let row = records.row(id) else { return true }
        return !state.withLock { $0.busy.contains(row.name) }
    }
}
