/// The names of events as clients know them.
public enum EventKind: String, Sendable, CaseIterable, Hashable {
    case provisioning = "WORKSPACE_PROVISIONING"
    case provisionProgress = "WORKSPACE_PROVISION_PROGRESS"
    case provisionFailed = "WORKSPACE_PROVISION_FAILED"
    case awaitingAgent = "WORKSPACE_AWAITING_AGENT"
    case online = "WORKSPACE_ONLINE"
    case offline = "WORKSPACE_OFFLINE"
    case degraded = "WORKSPACE_DEGRADED"
    case removed = "WORKSPACE_REMOVED"
    case paused = "WORKSPACE_PAUSED"
    case hibernated = "WORKSPACE_HIBERNATED"
    case adopted = "WORKSPACE_ADOPTED"
    case updated = "WORKSPACE_UPDATED"
    case agentCardUpdated = "AGENT_CARD_UPDATED"
    case taskUpdated = "TASK_UPDATED"
    case heartbeat = "WORKSPACE_HEARTBEAT"
    case activityLogged = "ACTIVITY_LOGGED"
    case agentMessage = "AGENT_MESSAGE"

    /// Whether the event says that the agent worked, as opposed to merely being alive: only these reset a dispatch's idle timer.
    public var isAgentProgress: Bool {
        switch self {
        case .taskUpdated, .activityLogged, .agentMessage: true
        case .provisioning, .provisionProgress, .provisionFailed, .awaitingAgent, .online, .offline, .degraded, .removed,
            .paused, .hibernated, .adopted, .updated, .agentCardUpdated, .heartbeat:
            false
        }
    }
}

/// Something that happened to one workspace.
public struct WorkspaceEvent: Sendable, Hashable {
    public let workspaceID: WorkspaceID
    /// Position in this workspace's own order, from 1 without gaps; nil for live-only events (beats, progress bytes), which are never stored.
    public let sequence: Int64?
    public let kind: EventKind
    public let at: Timestamp
    public let payload: JSONObject

    public init(workspaceID: WorkspaceID, sequence: Int64?, kind: EventKind, at: Timestamp, payload: JSONObject) {
        self.workspaceID = workspaceID
        self.sequence = sequence
        self.kind = kind
        self.at = at
        self.payload = payload
    }
}
