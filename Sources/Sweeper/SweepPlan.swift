public import Model

/// What one pass knows: rows from the store, containers from the engine, both read in this pass.
public struct SweepFacts: Sendable {
    /// Live rows, and removed ones that still have something to clean up.
    public var rows: [Workspace]
    public var containers: [WorkspaceID: [ContainerFacts]]
    /// Provisions under way in this process.
    public var inFlight: Set<WorkspaceID>
    /// Exit codes from the engine's events: container id -> code. A container that the engine restarted no longer shows them.
    public var observedExits: [String: Int]
    public var now: Timestamp
    public var timeouts: ProvisionTimeouts
    /// Runtime -> what templates declare, in seconds.
    public var declaredTimeouts: [String: Int]

    public init(
        rows: [Workspace], containers: [WorkspaceID: [ContainerFacts]], inFlight: Set<WorkspaceID> = [], observedExits: [String: Int] = [:],
        now: Timestamp, timeouts: ProvisionTimeouts = ProvisionTimeouts(), declaredTimeouts: [String: Int] = [:]
    ) {
        self.rows = rows
        self.containers = containers
        self.inFlight = inFlight
        self.observedExits = observedExits
        self.now = now
        self.timeouts = timeouts
        self.declaredTimeouts = declaredTimeouts
    }
}

/// Facts in, actions out: no clock, no I/O. A fact that could not be read is not in here, and then nothing is done about it.
public enum SweepPlan {
    public static func actions(for facts: SweepFacts) -> [ReconcileAction] {
        facts.rows.filter { !facts.inFlight.contains($0.id) }.compactMap { action(for: $0, facts.containers[$0.id] ?? [], facts) }
    }

    private static func action(for row: Workspace, _ containers: [ContainerFacts], _ facts: SweepFacts) -> ReconcileAction? {
        let current = containers.first { $0.generation == row.generation }
        switch row.status {
        case .removed: return cleanup(row, containers, "the workspace is removed")
        case .failed where row.condition.cause == .provision: return cleanup(row, containers, "the provision failed")
        case .provisioning: return row.external ? nil : waiting(row, current, facts)
        case .online, .degraded, .offline, .failed: return move(row, current)
        case .paused, .hibernated, .hibernating, .awaitingAgent: return nil
        }
    }

    private static func cleanup(_ row: Workspace, _ containers: [ContainerFacts], _ reason: String) -> ReconcileAction? {
        row.pendingCleanup || !containers.isEmpty ? .teardown(row.id, reason: reason) : nil
    }

    /// A provision that nobody works on: either its agent is awaited, or the daemon died in the middle of it.
    private static func waiting(_ row: Workspace, _ current: ContainerFacts?, _ facts: SweepFacts) -> ReconcileAction? {
        guard let current else { return .resume(row.id, reason: "there is no container of generation \(row.generation)") }
        let exit = facts.observedExits[current.id]
        switch current.state {
        case .created: return .resume(row.id, reason: "its container was never started")
        case .exited, .dead, .restarting:
            return .failExited(row.id, generation: row.generation, container: current, exitCode: exit ?? current.exitCode)
        case .running where current.restartCount > 0 || exit != nil:
            return .failExited(row.id, generation: row.generation, container: current, exitCode: exit)
        case .running where row.containerID != current.id || row.url == nil && current.agentURL != nil:
            return .resume(row.id, reason: "its running container is not written down")
        case .running, .paused: return deadline(row, current, facts) ?? move(row, current)
        case .removing, .unknown: return nil
        }
    }

    /// Counted from the container's start: a slow pull takes nothing from the agent's time.
    private static func deadline(_ row: Workspace, _ current: ContainerFacts, _ facts: SweepFacts) -> ReconcileAction? {
        let seconds = facts.timeouts.seconds(for: row.runtime, declared: facts.declaredTimeouts)
        let starts = [row.provisionStartedAt ?? row.createdAt, current.startedAt].compactMap { $0 }
        guard let start = starts.max(), facts.now - start >= .seconds(seconds) else { return nil }
        return .failUnregistered(row.id, generation: row.generation, seconds: seconds)
    }

    /// The engine moves a port when it starts a container again, and gives the port of one that ended to the next that asks: an address
    /// that is no longer the agent's own must not be dialled.
    private static func move(_ row: Workspace, _ current: ContainerFacts?) -> ReconcileAction? {
        guard !row.external else { return nil }
        switch current?.state {
        case .running:
            guard let url = current?.agentURL, url != row.url else { return nil }
            return .moveAddress(row.id, generation: row.generation, url: url)
        case nil, .exited, .dead, .restarting, .created:
            return row.url == nil ? nil : .moveAddress(row.id, generation: row.generation, url: nil)
        case .paused, .removing, .unknown:
            return nil
        }
    }
}
