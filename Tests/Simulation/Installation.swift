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
    let feed: EventFeed
    let loop: ReconcileLoop
    let orphans: OrphanKeeper

    init(_ home: Installation) {
        let clock = StageClock(stage: home.stage, life: home.life)
        let log = TracingLog(stage: home.stage, owner: home.name)
        let guardian = FakeAddressGuard()
        let provisioner = WorkspaceProvisioner(
            records: home.records, backend: home.view, templates: home.templates, tokens: home.tokens, addressGuard: guardian,
            images: PlainImages(engine: home.view), cards: FakeCards(), live: hub, clock: clock, random: home.random, log: log,
            settings: ProvisionSettings())
        self.provisioner = provisioner
        registry = AgentRegistry(
            records: home.records, containers: home.view, urlGuard: guardian, tokens: home.tokens, live: hub, clock: clock, log: log)
        feed = EventFeed(stored: home.records, live: hub)
        let reconciler: any WorkspaceReconciling & WorkspaceWaking = home.breakage.map { Broken(provisioner, $0, home) } ?? provisioner
        let loop = ReconcileLoop(
            records: home.records, containers: home.view, reconciler: reconciler, templates: home.templates, policy: ReconcilePolicy(),
            clock: clock, log: log)
        self.loop = loop
        orphans = OrphanKeeper(
            records: home.records, engine: home.view, reconciler: reconciler, templates: home.templates, tokens: home.tokens,
            policy: home.breakage?.orphanPolicy ?? OrphanPolicy(), instance: home.instance, stopGrace: .seconds(10), clock: clock, log: log,
            onAdopted: { loop.wake() })
    }

    /// What the process does from its start to its end.
    func run(_ home: Installation) async {
        let clock = StageClock(stage: home.stage, life: home.life)
        while (try? await home.records.interruptOperations()) == nil {
            guard (try? await clock.sleep(for: .seconds(1))) != nil else { return }
        }
        await withDiscardingTaskGroup { group in
            group.addTask { await self.loop.run() }
            group.addTask { await self.orphans.run(every: Self.sweepInterval) }
        }
    }

    static let sweepInterval: Duration = .seconds(60)
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
    private var beforeCommit: FakeRecords.Snapshot?
    private var tasks: [Int: Task<Void, Never>] = [:]

    /// What people asked for in the database that is in use, as the checks need to know it.
    var wishes = Wishes()
    /// Of those that were stopped as orphans in the process that runs.
    var quarantines: [WorkspaceID: Quarantine] = [:]
    /// The database that belongs here, while another one is in its place.
    var rightDatabase: Database?
    var backup: Database?
    /// Another database was in use in between: what this one says of the time after that may be untrue.
    private(set) var hasForked = false

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
        begin { [self] in await daemon.run(self) }
    }

    private func begin(_ body: @escaping @Sendable () async -> Void) {
        let number = stage.nextNumber()
        open += 1
        tasks[number] = Task {
            await body()
            open -= 1
            tasks[number] = nil
        }
    }

    /// Somebody asks the daemon for something; the answer is noted.
    func ask(_ what: String, _ body: @escaping @Sendable (Daemon) async throws -> String) {
        guard let daemon else { return }
        let kind = String(what.prefix { $0 != " " })
        begin { [self] in
            do {
                let answer = try await body(daemon)
                stage.tally.count("answer", "\(kind): done")
                stage.note("\(name) \(what): \(answer)")
            } catch {
                let code = (error as? any CodedError)?.code.rawValue ?? "cancelled"
                stage.tally.count("answer", "\(kind): \(code)")
                stage.note("\(name) \(what): \(code)")
            }
        }
    }

    /// The process is gone in this instant: nothing in it reaches engine or store any more.
    func kill() {
        guard daemon != nil else { return }
        stage.end(life)
        let mine = host.readers.filter { $0.instance == instance }
        host.readers.removeAll { $0.instance == instance }
        for reader in mine { reader.continuation.finish() }
        for number in tasks.keys.sorted() { tasks[number]?.cancel() }
        daemon = nil
        quarantines = [:]
        unwind()
        tasks = [:]
    }

    /// What is stored now, with what people asked for in it.
    var database: Database { Database(content: records.snapshot(), wishes: wishes) }

    /// A broken store takes a commit back now and then.
    func loseCommit(of name: String) {
        guard breakage == .lostCommits else { return }
        let isWrite = ["apply", "startProvision", "markRemoved", "recordHeartbeat"].contains(name)
        if isWrite, let beforeCommit, stage.dice.chance(perMille: 20) {
            records.restore(beforeCommit)
            stage.tally.count("broken", "commit lost")
        }
        beforeCommit = records.snapshot()
    }

    /// One that has never known this installation.
    var emptyDatabase: Database {
        Database(content: FakeRecords(clock: StageClock(stage: stage, life: life)).snapshot(), wishes: Wishes())
    }

    /// Another database takes the place of the one that is there.
    func use(_ database: Database) {
        stage.finishCalls()
        hasForked = true
        records.restore(database.content)
        wishes = database.wishes
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

/// When, and why, something was quarantined.
struct Quarantine {
    let at: Timestamp
    let cause: Orphan.Cause
}

/// What people asked for, and were told.
struct Wishes {
    /// Roots of deletes.
    var removed: Set<WorkspaceID> = []
    var confirmed: Set<WorkspaceID> = []
    var purgedAt: [WorkspaceID: Timestamp] = [:]
    var adopted: Set<WorkspaceID> = []
    /// Of which the daemon has said that they are there, or gone.
    var created: Set<WorkspaceID> = []
    var gone: Set<WorkspaceID> = []
    /// When somebody last asked for something that ends a container.
    var endedAt: [WorkspaceID: Timestamp] = [:]
}

/// A whole database, as it is copied away and put back.
struct Database {
    let content: FakeRecords.Snapshot
    let wishes: Wishes
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
