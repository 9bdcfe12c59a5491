/// Where a workspace stands. Ten values, stored as text under a check constraint.
public enum WorkspaceStatus: String, Sendable, CaseIterable, Hashable {
    case provisioning, online, offline, degraded, failed, removed, paused, hibernated, hibernating
    case awaitingAgent = "awaiting_agent"

    /// Whether the status only lasts while work is in flight.
    public var isTransient: Bool { self == .provisioning || self == .hibernating }
}

/// Why a workspace stands where it stands, where the status alone does not decide what happens next.
public enum ConditionCause: String, Sendable, CaseIterable, Hashable {
    /// Degraded by the agent's own word; clears when the agent says so.
    case wedged
    /// Degraded by its error rate; clears below `BeatSignal.recoverBelow`.
    case errorRate = "error_rate"
    /// Failed because no agent came in time, or because somebody said that none will; an agent that comes after all brings it online.
    case registerTimeout = "register_timeout"
    /// Failed because it ended, or fell silent, more often than the restart budget allows: it is kept, stopped, until somebody restarts it.
    case crashLoop = "crash_loop"
    /// Failed for a reason that a beat does not mend.
    case provision
}

/// A status with its cause: the whole state of the workspace status machine.
public struct WorkspaceCondition: Sendable, Hashable {
    public let status: WorkspaceStatus
    public let cause: ConditionCause?

    public init(_ status: WorkspaceStatus, _ cause: ConditionCause? = nil) {
        self.status = status
        self.cause = cause
    }

    /// Every condition a row can be in.
    public static let all: [WorkspaceCondition] = WorkspaceStatus.allCases.flatMap { status -> [WorkspaceCondition] in
        switch status {
        case .degraded: [.init(.degraded, .wedged), .init(.degraded, .errorRate)]
        case .failed: [.init(.failed, .registerTimeout), .init(.failed, .crashLoop), .init(.failed, .provision)]
        case .provisioning, .online, .offline, .removed, .paused, .hibernated, .hibernating, .awaitingAgent: [.init(status)]
        }
    }

    /// The key under which a compiled beat table names this condition: `status` or `status/cause`.
    public var key: String { cause.map { "\(status.rawValue)/\($0.rawValue)" } ?? status.rawValue }

    public init?(key: String) {
        let parts = key.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let status = parts.first.flatMap(WorkspaceStatus.init(rawValue:)) else { return nil }
        if parts.count == 2 {
            guard let cause = ConditionCause(rawValue: parts[1]) else { return nil }
            self.init(status, cause)
        } else {
            self.init(status)
        }
    }
}
