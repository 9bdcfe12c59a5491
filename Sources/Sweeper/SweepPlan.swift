public import Model

/// What one pass knows: rows from the store, containers from the engine, both read in this pass.
public struct SweepFacts: Sendable {
    /// Live rows, and removed ones that still have something to clean up.
    public var rows: [Workspace]
    public var containers: [WorkspaceID: [ContainerFacts]]
    /// Provisions under way in this process.
    public var inFlight: Set<WorkspaceID>
    /// Exit codes the engine reported since the container's state was read: container id -> code.
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

/// One thing a pass wants done.
public enum SweepAction: Sendable, Hashable {
    case resume(WorkspaceID, reason: String)
    case teardown(WorkspaceID, reason: String)
    case failExited(WorkspaceID, generation: Int, container: ContainerFacts, exitCode: Int?)
    case failUnregistered(WorkspaceID, generation: Int, seconds: Int)
    case moveAddress(WorkspaceID, generation: Int, url: String)
}

/// Facts in, actions out: no clock, no I/O.
public enum SweepPlan {
    public static func actions(for facts: SweepFacts) -> [SweepAction] { [] }
}
