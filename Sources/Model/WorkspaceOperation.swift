/// One thing that was done, or is being done, to a workspace's container.
public struct WorkspaceOperation: Sendable, Hashable {
    public enum Kind: String, Sendable, CaseIterable {
        case create, restart, resume, wake, pause, hibernate, delete
        /// The reconciler started the container again, or made another one.
        case recover
        /// A new container on another version of its image.
        case refresh
    }

    public enum State: String, Sendable, CaseIterable {
        /// Waiting for a slot, or for earlier work on the same workspace.
        case queued
        case running, succeeded, failed, cancelled
        /// The daemon stopped in the middle; the reconciler took the workspace up again.
        case interrupted

        public var isOver: Bool { self != .queued && self != .running }
    }

    /// Counts over the whole installation, from 1.
    public let id: Int64
    public let workspaceID: WorkspaceID
    public let kind: Kind
    public let state: State
    /// Why it was done, for the reconciler's own; why it failed, for a failed one.
    public let reason: String?
    public let code: ErrorCode?
    public let requestedAt: Timestamp
    public let startedAt: Timestamp?
    public let endedAt: Timestamp?

    public init(
        id: Int64, workspaceID: WorkspaceID, kind: Kind, state: State, reason: String?, code: ErrorCode?, requestedAt: Timestamp,
        startedAt: Timestamp?, endedAt: Timestamp?
    ) {
        self.id = id
        self.workspaceID = workspaceID
        self.kind = kind
        self.state = state
        self.reason = reason
        self.code = code
        self.requestedAt = requestedAt
        self.startedAt = startedAt
        self.endedAt = endedAt
    }
}
