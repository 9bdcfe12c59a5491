import Events
import Model
import Provisioner
import Registry
import Sweeper
import TestSupport

/// One process of the daemon: the real policies, wired to what the stage offers.
final class Daemon: Sendable {
    let hub = EventHub()
    let provisioner: WorkspaceProvisioner
    let registry: AgentRegistry
    let loop: RecoveryLoop

    init(_ home: Installation) {
        let clock = StageClock(stage: home.stage, life: home.life)
        let log = TracingLog(stage: home.stage, owner: home.name)
        let guardian = FakeAddressGuard()
        provisioner = WorkspaceProvisioner(
            records: home.records, backend: home.view, templates: home.templates, tokens: home.tokens, addressGuard: guardian, live: hub,
            clock: clock, random: home.random, log: log, settings: ProvisionSettings())
        registry = AgentRegistry(
            records: home.records, containers: home.view, urlGuard: guardian, tokens: home.tokens, live: hub, clock: clock, log: log)
        loop = RecoveryLoop(
            records: home.records, containers: home.view, recovery: provisioner, templates: home.templates,
            timeouts: ProvisionTimeouts(), clock: clock, log: log)
    }
}

/// One installation: its state directory, its database, and the daemon while one runs.
final class Installation: @unchecked Sendable {
    let name: String
    let instance: InstanceID
    let stage: Stage
    let host: EngineHost
    let engineGate: Gate
    let storeGate: Gate
    let view: EngineView
    let records: FakeRecords
    let templates: FakeTemplates
    let tokens = FakeTokens()
    let random: SeededRandom
    let breakage: Breakage?

    private(set) var life = Life()
    private(set) var daemon: Daemon?
    /// What was begun in this process and has not come to its end.
    private(set) var open = 0
    private var loops: [Task<Void, Never>] = []

    // What people asked for, as the checks need to know it.
    var askedAway: Set<WorkspaceID> = []
    var shelf: FakeRecords.Snapshot?

    init(_ name: String, on host: EngineHost, breakage: Breakage? = nil) {
        self.name = name
        self.host = host
        self.breakage = breakage
        stage = host.stage
        random = SeededRandom(seed: stage.dice.next())
        instance = InstanceID(random: random)
        let life = life
        engineGate = Gate.engine(stage, owner: name, life: life)
        storeGate = Gate.store(stage, owner: name, life: life)
        view = EngineView(host: host, instance: instance, gate: engineGate)
        templates = FakeTemplates([World.echo, World.failing, World.absent])
        let relay = EventRelay(stage: stage, owner: name)
        records = FakeRecords(clock: StageClock(stage: stage, life: life), live: relay, gate: storeGate)
        relay.home = self
        life.isOver = true
    }

    /// The daemon starts.
    func boot() {
        life = Life()
        engineGate.life = life
        storeGate.life = life
        let daemon = Daemon(self)
        self.daemon = daemon
        begin { await daemon.loop.run() }
    }

    private func begin(_ loop: @escaping @Sendable () async -> Void) {
        open += 1
        loops.append(
            Task {
                await loop()
                open -= 1
            })
    }

    /// Somebody asks the daemon for something; the answer is noted.
    func ask(_ what: String, _ body: @escaping @Sendable (Daemon) async throws -> String) {
        guard let daemon else { return }
        open += 1
        Task {
            do {
                let answer = try await body(daemon)
                stage.tally.count("answer", "\(what.prefix { $0 != " " }): done")
                stage.note("\(name) \(what): \(answer)")
            } catch {
                let code = (error as? any CodedError)?.code.rawValue ?? "cancelled"
                stage.tally.count("answer", "\(what.prefix { $0 != " " }): \(code)")
                stage.note("\(name) \(what): \(code)")
            }
            open -= 1
        }
    }

    /// The process is gone in this instant: nothing in it reaches engine or store any more.
    func kill() {
        guard daemon != nil else { return }
        stage.end(life)
        let mine = host.readers.filter { $0.instance == instance }
        host.readers.removeAll { $0.instance == instance }
        for reader in mine { reader.continuation.finish() }
        for loop in loops { loop.cancel() }
        loops = []
        daemon = nil
        unwind()
    }

    /// Code that is still on its way runs to its end; all it does is fail.
    private func unwind() {
        var jobs = 0
        while ReadyQueue.shared.runOne(for: stage) {
            jobs += 1
            guard jobs < 200_000 else { return stage.violate("work ends with its process", "\(name) still runs after \(jobs) jobs") }
        }
        if open != 0 { stage.violate("work ends with its process", "\(open) tasks of \(name) wait for ever") }
        open = 0
    }
}

/// Passes committed events on to the hub of the process that runs now.
final class EventRelay: EventPublishing, @unchecked Sendable {
    let stage: Stage
    let owner: String
    weak var home: Installation?

    init(stage: Stage, owner: String) {
        self.stage = stage
        self.owner = owner
    }

    func publish(_ events: [WorkspaceEvent]) {
        for event in events { stage.note("\(owner) event \(event.workspaceID.prefix12) \(event.kind.rawValue)") }
        home?.daemon?.hub.publish(events)
    }
}

/// Log lines are part of the trace.
struct TracingLog: LogSink {
    let stage: Stage
    let owner: String

    func log(_ level: LogLevel, _ message: String, _ fields: [(String, String)]) {
        stage.note(fields.reduce("\(owner) log: \(message)") { "\($0) \($1.0)=\($1.1.prefix(60))" })
    }
}
