import Events
import Model
import Provisioner
import Sweeper
import TestSupport
import Testing

/// A daemon's worth of parts in memory. `restart` is a new process over the same records and the same engine.
final class World: Sendable {
    static let image = "berth/workspace-echo:latest"

    let clock: ManualClock
    let hub = EventHub()
    let engine: FakeEngine
    let records: FakeRecords
    let templates: FakeTemplates
    let tokens = FakeTokens()
    let cards = FakeCards()
    let random: SeededRandom
    let log = RecordingLog()
    let settings: ProvisionSettings
    let refusedURLs: Set<String>

    init(
        settings: ProvisionSettings = ProvisionSettings(), templates: FakeTemplates = FakeTemplates([World.echo]),
        image: String? = World.image,
        refusing refusedURLs: Set<String> = [], seed: UInt64 = 7
    ) throws {
        clock = ManualClock()
        random = SeededRandom(seed: seed)
        engine = FakeEngine(instance: try #require(InstanceID("instance-of-tests")), clock: clock)
        records = FakeRecords(clock: clock, live: hub)
        self.templates = templates
        self.settings = settings
        self.refusedURLs = refusedURLs
        if let image { engine.addImage(image) }
    }

    /// The same host after its database was lost: its engine, its clock, and empty records.
    init(after other: World) throws {
        random = other.random
        engine = other.engine
        clock = other.clock
        records = FakeRecords(clock: other.clock, live: hub)
        templates = other.templates
        settings = other.settings
        refusedURLs = other.refusedURLs
    }

    static var echo: Template {
        var template = Template(id: "echo", directory: "/nowhere/echo")
        template.runtime = "echo"
        template.image = image
        template.description = "answers"
        return template
    }

    func provisioner() -> WorkspaceProvisioner {
        WorkspaceProvisioner(
            records: records, backend: engine, templates: templates, tokens: tokens, addressGuard: FakeAddressGuard(refusing: refusedURLs),
            images: PlainImages(engine: engine), cards: cards, live: hub, clock: clock, random: random, log: log, settings: settings)
    }

    func loop(_ provisioner: WorkspaceProvisioner, policy: ReconcilePolicy = ReconcilePolicy()) -> ReconcileLoop {
        ReconcileLoop(
            records: records, containers: engine, reconciler: provisioner, templates: templates, policy: policy, clock: clock, log: log)
    }

    func keeper(_ provisioner: WorkspaceProvisioner, policy: OrphanPolicy = OrphanPolicy()) -> OrphanKeeper {
        OrphanKeeper(
            records: records, engine: engine, reconciler: provisioner, templates: templates, tokens: tokens, policy: policy,
            instance: engine.instance, stopGrace: .seconds(1), clock: clock, log: log)
    }

    /// What the next start of the daemon does first, until nothing is under way.
    func boot() async -> WorkspaceProvisioner {
        let provisioner = provisioner()
        await loop(provisioner).fullPass()
        await provisioner.idle()
        return provisioner
    }

    func request(_ name: String = "Ada") -> CreateWorkspace {
        var request = CreateWorkspace(name: name)
        request.template = "echo"
        return request
    }

    /// A workspace whose container runs and whose agent is awaited.
    func provisioned(_ provisioner: WorkspaceProvisioner, _ request: CreateWorkspace? = nil) async throws -> WorkspaceID {
        let created = try await provisioner.create(request ?? self.request())
        await provisioner.idle()
        return created.workspace.id
    }

    func row(_ id: WorkspaceID) throws -> Workspace { try #require(records.row(id)) }
    func onlyBox(of id: WorkspaceID) throws -> FakeEngine.Box {
        let boxes = engine.boxes(of: id)
        try #require(boxes.count == 1)
        return boxes[0]
    }

    func token(of id: WorkspaceID) throws -> String {
        let file = try #require(try onlyBox(of: id).files["/configs/.auth_token"])
        return String(decoding: file.bytes, as: UTF8.self)
    }

    /// The agent inside says that it is alive.
    func beat(_ id: WorkspaceID, token: String) async throws -> Result<BeatRecord, AgentRefusal> {
        let signal = BeatSignal(wedged: false, errorRate: 0, managesOwnStatus: false)
        let moves = WorkspaceStatusMachine.beatTable(signal)
        return try await records.recordHeartbeat(
            Beat(workspaceID: id, tokenHash: tokens.hash(token), moves: moves, movesWhenSelfManaged: moves))
    }

    func kinds(_ id: WorkspaceID) -> [EventKind] { records.history(of: id).map(\.kind) }

    /// `phase state` of each progress event.
    func phases(_ id: WorkspaceID) -> [String] {
        records.history(of: id).filter { $0.kind == .provisionProgress }.map {
            "\($0.payload["phase"]?.string ?? "") \($0.payload["state"]?.string ?? "")"
        }
    }

    /// Nothing of the workspace is left at the engine.
    func expectNothingLeft(of id: WorkspaceID, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(engine.boxes(of: id).isEmpty, sourceLocation: sourceLocation)
        #expect(engine.volumeNames.isEmpty, sourceLocation: sourceLocation)
    }
}

extension BackendError {
    static let down = BackendError(.unavailable, .engineUnavailable, "the engine does not answer")
    static let full = BackendError(.failed, .diskFull, "no space is left on the engine's disk")
}

/// The code of the error that `body` throws.
func code(_ body: () async throws -> Void) async -> ErrorCode? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? any CodedError)?.code
    }
}
