public import Model
import Synchronization

/// Makes the store and the engine agree: once at start, then on every container event, and in a slow full pass that forgets nothing.
/// Events only make it fast; each pass decides by what is there now.
public final class ReconcileLoop: Sendable {
    enum Wake: Sendable {
        case everything
        case workspace(WorkspaceID)
        case container(of: WorkspaceID, id: String, exit: ObservedExit?)
    }

    private enum FullPasses { case none, running, runningAndWanted }

    private struct Health {
        var lastTick: Timestamp?
        var lastError: ErrorCode?
        /// Since when every pass could read store and engine, and agents had a door to beat at.
        var audibleSince: Timestamp?
    }

    private struct Memory {
        var ledger = CrashLedger()
        /// Workspaces that are looked at again at a known time.
        var appointments: [WorkspaceID: Timestamp] = [:]
        var inbox: AsyncStream<Wake>.Continuation?
    }

    private let records: any WorkspaceReading
    private let engine: any ContainerReading
    private let reconciler: any WorkspaceReconciling
    private let waking: any WorkspaceWaking
    private let templates: any TemplateSource
    private let plan: ReconcilePlan
    private let clock: any TimeSource
    private let log: any LogSink
    private let interval: Duration
    /// Whether agents have a door to beat at.
    private let isListening: @Sendable () -> Bool
    private let health = Mutex(Health())
    private let memory = Mutex(Memory())
    private let fullPasses = Mutex(FullPasses.none)

    public init(
        records: any WorkspaceReading, containers: any ContainerReading, reconciler: any WorkspaceReconciling & WorkspaceWaking,
        templates: any TemplateSource, policy: ReconcilePolicy, clock: any TimeSource, log: any LogSink,
        interval: Duration = .seconds(30), isListening: @escaping @Sendable () -> Bool = { true }
    ) {
        self.records = records
        engine = containers
        self.reconciler = reconciler
        waking = reconciler
        self.templates = templates
        plan = ReconcilePlan(policy: policy)
        self.clock = clock
        self.log = log
        self.interval = interval
        self.isListening = isListening
    }

    /// When a full pass last ended well.
    public var lastTick: Timestamp? { health.withLock { $0.lastTick } }
    /// Why the latest full pass could not be made; nil when it could.
    public var lastError: ErrorCode? { health.withLock { $0.lastError } }

    /// Asks for a full pass soon: somebody changed what should be.
    public func wake() { memory.withLock { $0.inbox }?.yield(.everything) }

    /// Runs until the task is cancelled.
    public func run() async {
        // Bounded: what overflows is found by the next full pass.
        let (wakes, inbox) = AsyncStream.makeStream(of: Wake.self, bufferingPolicy: .bufferingNewest(1024))
        memory.withLock { $0.inbox = inbox }
        await withDiscardingTaskGroup { group in
            group.addTask { await self.tick(into: inbox) }
            group.addTask { await EngineEventWatch(engine: self.engine, clock: self.clock, log: self.log).run { self.note($0, in: inbox) } }
            for await wake in wakes {
                // A task of its own for each: what takes long at one workspace holds up no other.
                group.addTask { await self.answer(wake) }
            }
            group.cancelAll()
        }
    }

    /// One full pass: every row against every container.
    public func fullPass() async {
        do {
            let facts = try await allFacts()
            await carryOut(plan.decide(facts))
            let now = clock.now()
            health.withLock { health in
                health.lastTick = now
                health.lastError = nil
                health.audibleSince = isListening() ? health.audibleSince ?? now : nil
            }
        } catch is CancellationError {
            return
        } catch {
            let code = (error as? any CodedError)?.code ?? .internalError
            let isNews = health.withLock { health in
                defer { (health.lastError, health.audibleSince) = (code, nil) }
                return health.lastError != code
            }
            log.log(isNews ? .warning : .debug, "nothing is reconciled: the facts cannot be read", [("error", String(describing: error))])
        }
    }

    private func answer(_ wake: Wake) async {
        switch wake {
        case .everything: await oneFullPassAtATime()
        case .workspace(let id): await pass(over: id, exits: [:])
        case .container(let workspace, let id, let exit): await pass(over: workspace, exits: exit.map { [id: $0] } ?? [:])
        }
    }

    /// A pass that is wanted while one runs comes after it: the running one may have looked already.
    private func oneFullPassAtATime() async {
        let mine = fullPasses.withLock { state in
            defer { state = state == .none ? .running : .runningAndWanted }
            return state == .none
        }
        guard mine else { return }
        repeat {
            await fullPass()
        } while fullPasses.withLock { state in
            defer { state = state == .runningAndWanted ? .running : .none }
            return state == .runningAndWanted
        }
    }

    private func tick(into inbox: AsyncStream<Wake>.Continuation) async {
        while !Task.isCancelled {
            inbox.yield(.everything)
            do { try await clock.sleep(for: interval) } catch { break }
        }
        inbox.finish()
    }

    private func note(_ news: EngineEventWatch.News, in inbox: AsyncStream<Wake>.Continuation) {
        switch news {
        case .connected: inbox.yield(.everything)
        case .lost:
            let since = clock.now() - Self.engineDeath
            memory.withLock { $0.ledger.forgiveEnds(since: since) }
        case .event(let event): note(event, in: inbox)
        }
    }

    /// How long an engine takes to end its containers before it goes itself.
    private static let engineDeath: Duration = .seconds(15)

    /// Also for a simulation, which has no stream of events.
    public func note(_ event: ContainerEvent) {
        guard let inbox = memory.withLock({ $0.inbox }) else { return }
        note(event, in: inbox)
    }

    private func note(_ event: ContainerEvent, in inbox: AsyncStream<Wake>.Continuation) {
        guard let workspace = event.labels[WorkspaceLabels.workspaceID].flatMap(WorkspaceID.init) else { return }
        switch event.action {
        case .die:
            let ours = reconciler.inFlight().contains(workspace)
            // What ends while we work on it ends because we work on it.
            if !ours { memory.withLock { $0.ledger.noteEnd(of: workspace, at: event.at, window: plan.policy.restarts.window) } }
            inbox.yield(.container(of: workspace, id: event.containerID, exit: ObservedExit(code: event.exitCode, at: event.at)))
        case .start, .destroy, .oom, .unpause: inbox.yield(.container(of: workspace, id: event.containerID, exit: nil))
        case .create, .stop, .kill, .restart, .pause: break
        }
    }
}

// MARK: - Facts

extension ReconcileLoop {
    private func allFacts() async throws -> ReconcileFacts {
        // What is in flight before or after the reading may have changed under it.
        let busy = reconciler.inFlight()
        var byWorkspace: [WorkspaceID: [ContainerFacts]] = [:]
        for container in try await engine.containers() {
            guard let id = container.labels[WorkspaceLabels.workspaceID].flatMap(WorkspaceID.init) else { continue }
            byWorkspace[id, default: []].append(container)
        }
        // Rows after containers: a workspace made in between has then a row and is in flight, never a container without a row.
        var rows = try await records.liveWorkspaces()
        var known = Set(rows.map(\.id))
        for row in try await records.workspacesPendingCleanup() where known.insert(row.id).inserted { rows.append(row) }
        for row in rows where mayBeSilent(row) {
            byWorkspace[row.id] = try await inspected(byWorkspace[row.id] ?? [])
        }
        return await facts(rows, byWorkspace, busy: busy)
    }

    /// Whether it matters how long the container has run, which a list does not say.
    private func mayBeSilent(_ row: Workspace) -> Bool {
        switch row.status {
        case .provisioning, .offline: !row.external
        case .online, .degraded:
            !row.external && row.lastHeartbeatAt.map { clock.now() - $0 >= plan.policy.agentStale } ?? true
        case .failed, .removed, .paused, .hibernated, .hibernating, .awaitingAgent: false
        }
    }

    private func inspected(_ containers: [ContainerFacts]) async throws -> [ContainerFacts] {
        var all: [ContainerFacts] = []
        for container in containers {
            guard container.state == .running, container.startedAt == nil else {
                all.append(container)
                continue
            }
            if let inspected = try await engine.container(container.id) { all.append(inspected) }
        }
        return all
    }

    private func pass(over workspace: WorkspaceID, exits: [String: ObservedExit]) async {
        do {
            try await waitForWork(on: workspace)
            let busy = reconciler.inFlight()
            // A dying container holds up whoever asks the engine about it; that it ended is known already.
            if !busy.contains(workspace), !exits.isEmpty, let row = try await records.workspace(workspace),
                let news = plan.atOnce(row, exits)
            {
                await carryOut(news)
            }
            let containers = try await engine.containers(of: workspace)
            guard let row = try await records.workspace(workspace) else { return }
            await carryOut(plan.decide(await facts([row], [workspace: containers], busy: busy, exits: exits)))
        } catch {
            log.debug("workspace not readable after an event", ("workspace", workspace.text), ("error", String(describing: error)))
        }
    }

    /// The event may belong to the last moments of a provision; it is judged when that has ended. One that goes on is left to itself.
    private func waitForWork(on workspace: WorkspaceID) async throws {
        for _ in 1...100 where reconciler.inFlight().contains(workspace) { try await clock.sleep(for: .milliseconds(50)) }
    }

    private func facts(
        _ rows: [Workspace], _ containers: [WorkspaceID: [ContainerFacts]], busy: Set<WorkspaceID>, exits: [String: ObservedExit] = [:]
    ) async -> ReconcileFacts {
        var facts = ReconcileFacts(rows: rows, containers: containers, now: clock.now())
        facts.declaredTimeouts = await templates.catalog().provisionTimeoutSeconds
        facts.inFlight = busy.union(reconciler.inFlight())
        facts.atWork = waking.atWork()
        facts.exits = exits
        facts.ledger = memory.withLock { $0.ledger }
        facts.audibleSince = isListening() ? health.withLock { $0.audibleSince } : nil
        return facts
    }
}

// MARK: - Actions

extension ReconcileLoop {
    /// Workspaces side by side, the actions of each in order.
    private func carryOut(_ decision: ReconcileDecision) async {
        for (id, time) in decision.lookAgain { appoint(id, time) }
        await withDiscardingTaskGroup { group in
            for actions in decision.actions.values {
                group.addTask { for action in actions { await self.carryOut(action) } }
            }
        }
    }

    private func carryOut(_ action: ReconcileAction) async {
        if case .restartSilent(let id, _, _, _) = action {
            let now = clock.now()
            memory.withLock { $0.ledger.noteSilentRestart(of: id, at: now) }
        }
        await reconciler.carryOut(action)
        if case .failCrashLoop(let id, _, _, _, _) = action { memory.withLock { $0.ledger.forget(id) } }
    }

    private func appoint(_ id: WorkspaceID, _ time: Timestamp) {
        let inbox = memory.withLock { memory -> AsyncStream<Wake>.Continuation? in
            guard let inbox = memory.inbox, memory.appointments[id].map({ $0 > time }) ?? true else { return nil }
            memory.appointments[id] = time
            return inbox
        }
        guard let inbox else { return }
        Task { [clock] in
            do { try await clock.sleep(for: time - clock.now()) } catch { return }
            memory.withLock { if $0.appointments[id] == time { $0.appointments[id] = nil } }
            inbox.yield(.workspace(id))
        }
    }
}
