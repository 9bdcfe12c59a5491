public import Model
import Synchronization

/// Makes the store and the engine agree: once at start, then on every container event, and in a slow full pass that forgets nothing.
/// Events only make it fast; each pass decides by what is there now.
public final class RecoveryLoop: Sendable {
    private enum Wake: Sendable {
        case everything
        case container(of: WorkspaceID, id: String, exitCode: Int?)
    }

    private enum FullPasses { case none, running, runningAndWanted }

    private let records: any WorkspaceReading
    private let engine: any ContainerReading
    private let recovery: any WorkspaceReconciling
    private let templates: any TemplateSource
    private let timeouts: ProvisionTimeouts
    private let clock: any TimeSource
    private let log: any LogSink
    private let interval: Duration
    private let health = Mutex<(lastTick: Timestamp?, lastError: ErrorCode?)>((nil, nil))
    private let fullPasses = Mutex(FullPasses.none)

    public init(
        records: any WorkspaceReading, containers: any ContainerReading, recovery: any WorkspaceReconciling, templates: any TemplateSource,
        timeouts: ProvisionTimeouts, clock: any TimeSource, log: any LogSink, interval: Duration = .seconds(30)
    ) {
        self.records = records
        engine = containers
        self.recovery = recovery
        self.templates = templates
        self.timeouts = timeouts
        self.clock = clock
        self.log = log
        self.interval = interval
    }

    /// When a full pass last ended well.
    public var lastTick: Timestamp? { health.withLock { $0.lastTick } }
    /// Why the latest full pass could not be made; nil when it could.
    public var lastError: ErrorCode? { health.withLock { $0.lastError } }

    /// Runs until the task is cancelled.
    public func run() async {
        // Bounded: what overflows is found by the next full pass.
        let (wakes, inbox) = AsyncStream.makeStream(of: Wake.self, bufferingPolicy: .bufferingNewest(1024))
        await withDiscardingTaskGroup { group in
            group.addTask { await self.tick(into: inbox) }
            group.addTask { await self.watch(into: inbox) }
            for await wake in wakes {
                // A task of its own for each: what takes long at one workspace holds up no other.
                switch wake {
                case .everything: group.addTask { await self.oneFullPassAtATime() }
                case .container(let workspace, let id, let exitCode):
                    group.addTask { await self.pass(over: workspace, container: id, exitCode: exitCode) }
                }
            }
            group.cancelAll()
        }
    }

    /// One full pass: every row against every container.
    public func fullPass() async {
        do {
            let facts = try await allFacts()
            await carryOut(SweepPlan.actions(for: facts))
            let now = clock.now()
            health.withLock { $0 = (now, nil) }
        } catch {
            let code = (error as? any CodedError)?.code ?? .internalError
            health.withLock { $0.lastError = code }
            log.warning("recovery pass not possible", ("error", String(describing: error)))
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

    /// Listens for as long as the process lives; what happened while the engine was away is found by the pass that follows each connect.
    private func watch(into inbox: AsyncStream<Wake>.Continuation) async {
        var pause = Self.shortestPause
        while !Task.isCancelled {
            let start = clock.now()
            do {
                let events = try await engine.events(since: nil)
                inbox.yield(.everything)
                for try await event in events { note(event, in: inbox) }
            } catch {
                log.debug("container events interrupted", ("error", String(describing: error)))
            }
            // Listening that held for a while was no failure of the engine's: the next attempt need not wait long.
            if clock.now() - start >= Self.longestPause { pause = Self.shortestPause }
            do { try await clock.sleep(for: pause) } catch { return }
            pause = min(pause * 2, Self.longestPause)
        }
    }

    private static let shortestPause: Duration = .milliseconds(500)
    private static let longestPause: Duration = .seconds(30)

    private func note(_ event: ContainerEvent, in inbox: AsyncStream<Wake>.Continuation) {
        guard let workspace = event.labels[WorkspaceLabels.workspaceID].flatMap(WorkspaceID.init) else { return }
        switch event.action {
        case .die: inbox.yield(.container(of: workspace, id: event.containerID, exitCode: event.exitCode))
        case .start, .destroy, .oom: inbox.yield(.container(of: workspace, id: event.containerID, exitCode: nil))
        case .create, .stop, .kill, .restart, .pause, .unpause: break
        }
    }
}

extension RecoveryLoop {
    private func allFacts() async throws -> SweepFacts {
        // What is in flight before or after the reading may have changed under it.
        let busy = recovery.inFlight()
        var byWorkspace: [WorkspaceID: [ContainerFacts]] = [:]
        for container in try await engine.containers() {
            guard let id = container.labels[WorkspaceLabels.workspaceID].flatMap(WorkspaceID.init) else { continue }
            byWorkspace[id, default: []].append(container)
        }
        // Rows after containers: a workspace made in between has then a row and is in flight, never a container without a row.
        var rows = try await records.liveWorkspaces()
        var known = Set(rows.map(\.id))
        for row in try await records.workspacesPendingCleanup() where known.insert(row.id).inserted { rows.append(row) }
        for id in byWorkspace.keys where known.insert(id).inserted {
            if let row = try await records.workspace(id) { rows.append(row) }
        }
        return await facts(rows, byWorkspace, busy: busy)
    }

    private func pass(over workspace: WorkspaceID, container: String, exitCode: Int?) async {
        do {
            try await waitForProvision(of: workspace)
            let busy = recovery.inFlight()
            guard let row = try await records.workspace(workspace) else { return }
            let containers = try await engine.containers(of: workspace)
            let exits = exitCode.map { [container: $0] } ?? [:]
            await carryOut(SweepPlan.actions(for: await facts([row], [workspace: containers], busy: busy, exits: exits)))
        } catch {
            log.debug("workspace not readable after an event", ("workspace", workspace.text), ("error", String(describing: error)))
        }
    }

    /// The event may belong to the last moments of a provision; it is judged when that has ended. One that goes on is left to itself.
    private func waitForProvision(of workspace: WorkspaceID) async throws {
        for _ in 1...100 where recovery.inFlight().contains(workspace) { try await clock.sleep(for: .milliseconds(50)) }
    }

    private func facts(
        _ rows: [Workspace], _ containers: [WorkspaceID: [ContainerFacts]], busy: Set<WorkspaceID>, exits: [String: Int] = [:]
    ) async -> SweepFacts {
        let declared = await templates.catalog().provisionTimeoutSeconds
        return SweepFacts(
            rows: rows, containers: containers, inFlight: busy.union(recovery.inFlight()), observedExits: exits, now: clock.now(),
            timeouts: timeouts,
            declaredTimeouts: declared)
    }

    private func carryOut(_ actions: [ReconcileAction]) async {
        await withDiscardingTaskGroup { group in
            for action in actions { group.addTask { await self.recovery.carryOut(action) } }
        }
    }
}
