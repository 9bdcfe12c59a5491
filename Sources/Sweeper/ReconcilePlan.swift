public import Model

/// What one pass knows: rows from the store, containers from the engine, both read in this pass.
public struct ReconcileFacts: Sendable {
    /// Live rows, and removed ones that still have something to clean up.
    public var rows: [Workspace]
    public var containers: [WorkspaceID: [ContainerFacts]]
    /// Work under way in this process.
    public var inFlight: Set<WorkspaceID> = []
    /// Workspaces that messages are on their way to.
    public var atWork: Set<WorkspaceID> = []
    /// The newest end of each container that an event told of: one that the engine started again no longer shows it.
    public var exits: [String: ObservedExit] = [:]
    public var ledger = CrashLedger()
    /// Since when agents could be heard without a break; nil while they cannot. Silence before it proves nothing.
    public var audibleSince: Timestamp?
    public var now: Timestamp
    /// Runtime -> what templates declare, in seconds.
    public var declaredTimeouts: [String: Int] = [:]

    public init(rows: [Workspace], containers: [WorkspaceID: [ContainerFacts]], now: Timestamp) {
        self.rows = rows
        self.containers = containers
        self.now = now
    }
}

/// What a pass wants done: for each workspace its actions in order, and when to look at it again where time alone decides.
public struct ReconcileDecision: Sendable {
    public var actions: [WorkspaceID: [ReconcileAction]] = [:]
    public var lookAgain: [WorkspaceID: Timestamp] = [:]

    public init() {}
}

/// The one place that compares what should be with what is. Facts in, actions with reasons out: no clock, no I/O. A fact that could not be
/// read is not in here, and then nothing is done about it.
public struct ReconcilePlan: Sendable {
    public let policy: ReconcilePolicy

    public init(policy: ReconcilePolicy) { self.policy = policy }

    /// What an end that an event told of means before the engine is asked about it.
    public func atOnce(_ row: Workspace, _ exits: [String: ObservedExit]) -> ReconcileAction? {
        guard row.status == .online || row.status == .degraded, !row.external, let exit = row.containerID.flatMap({ exits[$0] }),
            row.lastHeartbeatAt.map({ $0 < exit.at }) ?? true
        else { return nil }
        return .markOffline(row.id, generation: row.generation, reason: WorkspaceVerdict.end(code: exit.code))
    }

    public func decide(_ facts: ReconcileFacts) -> ReconcileDecision {
        var decision = ReconcileDecision()
        for row in facts.rows where !facts.inFlight.contains(row.id) {
            let verdict = WorkspaceVerdict(row: row, containers: facts.containers[row.id] ?? [], facts: facts, policy: policy)
            let actions = verdict.actions
            if !actions.isEmpty { decision.actions[row.id] = actions }
            if let time = verdict.lookAgain { decision.lookAgain[row.id] = time }
        }
        return decision
    }
}

/// One row against its own containers.
struct WorkspaceVerdict {
    let row: Workspace
    let containers: [ContainerFacts]
    let facts: ReconcileFacts
    let policy: ReconcilePolicy

    /// The container of the row's generation. Two of them cannot be: their name is taken once.
    var current: ContainerFacts? { containers.first { $0.isMade(for: row) } }

    var actions: [ReconcileAction] {
        if let trial { return [trial] }
        return switch row.status {
        case .removed: row.pendingCleanup ? [.teardown(row.id, reason: "the workspace is removed")] : []
        case .failed: failed
        case .provisioning: row.external ? [] : waiting
        case .online, .degraded, .offline: row.external ? listened : alive
        case .paused: resting("the workspace is paused")
        case .hibernated: resting("the workspace hibernates")
        case .hibernating: [.finishHibernation(row.id)]
        case .awaitingAgent: []
        }
    }

    /// Nobody in this process tries an image on it: the daemon that did has ended.
    private var trial: ReconcileAction? {
        if row.isCanary, row.status != .removed { return .removeCanary(row.id, reason: "nobody watches it") }
        guard row.kept != nil else { return nil }
        switch row.status {
        case .provisioning, .online, .degraded, .offline, .failed, .paused, .hibernated:
            return .settleTrial(row.id, reason: "nobody watches its trial of another image")
        case .hibernating, .awaitingAgent, .removed: return nil
        }
    }

    /// When a restart that is not due yet will be.
    var lookAgain: Timestamp? {
        guard [.provisioning, .online, .degraded, .offline].contains(row.status), !row.external else { return nil }
        guard let due = restartDue, due > facts.now else { return nil }
        return due
    }
}

// MARK: - What should rest, or be gone

extension WorkspaceVerdict {
    private var failed: [ReconcileAction] {
        switch row.condition.cause {
        case .crashLoop: return resting("its restart budget is spent")
        case .registerTimeout: return late
        case .provision, .wedged, .errorRate, nil:
            guard row.pendingCleanup || !containers.isEmpty else { return [] }
            return [.teardown(row.id, reason: "the provision failed")]
        }
    }

    private func resting(_ reason: String) -> [ReconcileAction] {
        guard containers.contains(where: { $0.state.isUp }) else { return [] }
        return [.stopContainers(row.id, reason: reason)]
    }

    /// Its agent may still come, so its container goes on, as long as it does not loop.
    private var late: [ReconcileAction] {
        guard !row.external else { return [] }
        // An earlier container has no valid token: it would run, and be refused, until somebody looks.
        let earlier = stale(beside: current)
        guard let current else { return earlier }
        return (crashLoop(current).map { [$0] } ?? moved.map { [$0] } ?? []) + earlier
    }
}

// MARK: - A provision that nobody works on: its agent is awaited, or the daemon died in the middle of it

extension WorkspaceVerdict {
    private var waiting: [ReconcileAction] {
        guard let current else { return [.resume(row.id, reason: "there is no container of generation \(row.generation)")] }
        let exit = newExit(of: current)
        switch current.state {
        case .created:
            return [.resume(row.id, reason: "its container was never started")]
        case .exited where endedBeforeThisProvision(current):
            return [.resume(row.id, reason: "its container waits to be started")]
        case .exited, .dead, .restarting:
            return row.hasLived ? ended(current) : [failExited(current, exit?.code ?? current.exitCode)]
        case .running where current.restartCount > 0 || exit != nil:
            guard row.hasLived else { return [failExited(current, exit?.code)] }
            return crashLoop(current).map { [$0] } ?? deadline(current).map { [$0] } ?? moved.map { [$0] } ?? []
        case .running where row.containerID != current.id || row.url == nil && current.agentURL != nil:
            return [.resume(row.id, reason: "its running container is not written down")]
        case .running, .paused:
            return deadline(current).map { [$0] } ?? moved.map { [$0] } ?? []
        case .removing, .unknown:
            return []
        }
    }

    private func failExited(_ container: ContainerFacts, _ code: Int?) -> ReconcileAction {
        .failExited(row.id, generation: row.generation, container: container, exitCode: code)
    }

    /// A paused or hibernated container that is to be started again.
    private func endedBeforeThisProvision(_ container: ContainerFacts) -> Bool {
        guard let ended = container.finishedAt, let began = row.provisionStartedAt else { return false }
        return ended < began
    }

    /// Counted from the container's start: a slow pull takes nothing from the agent's time.
    private func deadline(_ container: ContainerFacts) -> ReconcileAction? {
        let seconds = policy.timeouts.seconds(for: row.runtime, declared: facts.declaredTimeouts)
        let starts = [row.provisionStartedAt ?? row.createdAt, container.startedAt].compactMap { $0 }
        guard container.startedAt != nil, let start = starts.max(), facts.now - start >= .seconds(seconds) else { return nil }
        return .failUnregistered(row.id, generation: row.generation, seconds: seconds)
    }
}

// MARK: - What should run

extension WorkspaceVerdict {
    private var alive: [ReconcileAction] {
        guard let current else { return offline("its container is gone") + (forgottenAddress.map { [$0] } ?? []) + remade }
        switch current.state {
        case .exited, .dead, .created, .restarting:
            return offline(Self.end(current, newExit(of: current))) + (forgottenAddress.map { [$0] } ?? []) + ended(current)
        case .running:
            if let loop = crashLoop(current) { return [loop] }
            let lost = newExit(of: current).map { offline(Self.end(current, $0) + " and was started again") } ?? []
            return lost + (moved.map { [$0] } ?? []) + stale(beside: current) + silent(current) + (hibernation.map { [$0] } ?? [])
        case .paused:
            return silent(current)
        case .removing, .unknown:
            return []
        }
    }

    private func offline(_ reason: String) -> [ReconcileAction] {
        guard row.status == .online || row.status == .degraded else { return [] }
        return [.markOffline(row.id, generation: row.generation, reason: reason)]
    }

    private static func end(_ container: ContainerFacts, _ exit: ObservedExit?) -> String {
        if container.outOfMemory { return "its container ran out of memory" }
        guard container.state != .created else { return "its container does not run" }
        return end(code: exit?.code ?? (container.state == .running ? nil : container.exitCode))
    }

    fileprivate static func end(code: Int?) -> String {
        code.map { "its container ended with exit code \($0)" } ?? "its container ended"
    }

    /// An end that is news: the agent has not been heard since.
    private func newExit(of container: ContainerFacts) -> ObservedExit? {
        guard let exit = facts.exits[container.id], row.lastHeartbeatAt.map({ $0 < exit.at }) ?? true else { return nil }
        return exit
    }

    /// The container that is there, started again when its rest is over. The engine does that itself while it is `restarting`. One that no
    /// longer is what the row asks for is made anew instead.
    private func ended(_ container: ContainerFacts) -> [ReconcileAction] {
        if let loop = crashLoop(container) { return [loop] }
        guard container.state != .restarting, isDue else { return [] }
        if let drift = row.drift(of: container).first {
            return [.recreate(row.id, generation: row.generation, reason: "its \(drift) has changed since it was made")]
        }
        return [.startAgain(row.id, generation: row.generation, container: container.id, reason: Self.end(container, nil))]
    }

    private var remade: [ReconcileAction] {
        if let loop = crashLoop(nil) { return [loop] }
        return isDue ? [.recreate(row.id, generation: row.generation, reason: "its container is gone")] : []
    }

    private func stale(beside current: ContainerFacts?) -> [ReconcileAction] {
        let others = containers.filter { $0.id != current?.id && $0.id != row.kept?.id && $0.generation < row.generation }.map(\.id)
        return others.isEmpty ? [] : [.removeStale(row.id, containers: others)]
    }
}

// MARK: - Restart budget

extension WorkspaceVerdict {
    private var ends: [Timestamp] { facts.ledger.ends(of: row.id, now: facts.now, window: policy.restarts.window) }

    private var restartDue: Timestamp? { ends.max().map { $0 + policy.restarts.pause(after: ends.count) } }

    private var isDue: Bool { restartDue.map { $0 <= facts.now } ?? true }

    /// `Running: true` between two ends fools nobody: ends are counted from events, and from the engine's own count while it restarts.
    private func crashLoop(_ container: ContainerFacts?) -> ReconcileAction? {
        let counted = container.map { $0.state == .restarting ? $0.restartCount : 0 } ?? 0
        let count = max(ends.count, counted)
        guard policy.restarts.isSpent(by: count) else { return nil }
        let outOfMemory = container?.outOfMemory ?? false
        return .failCrashLoop(
            row.id, generation: row.generation, container: container, code: outOfMemory ? .outOfMemory : .crashLoop,
            message: outOfMemory
                ? "the container ran out of memory again and again (\(count) ends within \(Self.minutes(policy.restarts.window)))"
                : "the container ended \(count) times within \(Self.minutes(policy.restarts.window))")
    }

    private static func minutes(_ duration: Duration) -> String {
        let seconds = duration.components.seconds
        return seconds >= 60 && seconds % 60 == 0 ? "\(seconds / 60) min" : "\(seconds) s"
    }
}

// MARK: - Silence and idleness

extension WorkspaceVerdict {
    private func silence(since times: [Timestamp?]) -> Duration? {
        guard let audible = facts.audibleSince else { return nil }
        let heard = times.compactMap { $0 }.reduce(audible, max)
        return facts.now - heard
    }

    /// An agent that lives elsewhere and no longer beats.
    private var listened: [ReconcileAction] {
        guard let silence = silence(since: [row.lastHeartbeatAt ?? row.updatedAt]), silence >= policy.externalStale else { return [] }
        return offline("no heartbeat for \(silence.components.seconds) s")
    }

    /// A container that runs around an agent that no longer beats.
    private func silent(_ container: ContainerFacts) -> [ReconcileAction] {
        let times = [row.lastHeartbeatAt, row.provisionStartedAt, container.startedAt]
        guard let silence = silence(since: times), silence >= policy.agentStale else { return [] }
        let reason = "no heartbeat for \(silence.components.seconds) s"
        // Restarting needs to know how long the container has run, and that nobody waits for an answer from it.
        guard container.state == .running, container.startedAt != nil, !facts.atWork.contains(row.id) else { return offline(reason) }
        let restarts = facts.ledger.silentRestarts(of: row.id, since: row.lastHeartbeatAt)
        guard restarts < policy.restarts.silentRestarts else {
            return [
                .failCrashLoop(
                    row.id, generation: row.generation, container: container, code: .agentSilent,
                    message: "the agent was silent through \(restarts) restarts of its container")
            ]
        }
        return offline(reason)
            + [.restartSilent(row.id, generation: row.generation, container: container.id, reason: reason)]
    }

    private var hibernation: ReconcileAction? {
        guard row.status == .online || row.status == .degraded, let minutes = row.hibernationIdleMinutes, minutes > 0 else { return nil }
        guard row.activeTasks == 0, !facts.atWork.contains(row.id), facts.audibleSince != nil else { return nil }
        let since = [row.lastWorkAt, row.provisionStartedAt].compactMap { $0 }.reduce(row.createdAt, max)
        guard facts.now - since >= .seconds(minutes * 60) else { return nil }
        return .hibernate(row.id, generation: row.generation, idleSince: since)
    }
}

// MARK: - Addresses

extension WorkspaceVerdict {
    /// The engine moves a port when it starts a container again, and gives the port of one that ended to the next that asks: an address
    /// that is no longer the agent's own must not be dialled.
    private var moved: ReconcileAction? {
        switch current?.state {
        case .running:
            guard let url = current?.agentURL, url != row.url else { return nil }
            return .moveAddress(row.id, generation: row.generation, url: url)
        case nil, .exited, .dead, .restarting, .created: return forgottenAddress
        case .paused, .removing, .unknown: return nil
        }
    }

    private var forgottenAddress: ReconcileAction? {
        row.url == nil ? nil : .moveAddress(row.id, generation: row.generation, url: nil)
    }
}
