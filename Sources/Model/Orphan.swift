/// What we made and no live row speaks for: a container with its volumes, or volumes alone. Found by labels; keyed by the workspace they name.
public struct Orphan: Sendable, Hashable {
    public enum Cause: String, Sendable, CaseIterable {
        /// The row says removed and owes nothing, yet there is a container: it is cleaned away like any removed workspace's.
        case rowRemoved = "row_removed"
        /// The database knows this installation, and has no row for it.
        case rowMissing = "row_missing"
        /// It is older than the database's acquaintance with this installation: the database may be the wrong one, or was lost.
        case databaseNew = "database_new"
    }

    public enum State: String, Sendable, CaseIterable {
        /// Seen, and not touched.
        case found
        /// Somebody put it back to work without adopting it: it is left alone until somebody decides again.
        case restored
        /// Somebody said that it is one: it is quarantined without waiting for grace, hold or fuse.
        case confirmed
        /// Stopped; container and volumes are kept until the retention time is over.
        case quarantined
    }

    public var workspaceID: WorkspaceID
    /// nil when only volumes are left.
    public var containerID: String?
    public var name: String
    public var runtime: String
    public var template: String
    public var tier: Int
    public var parentID: WorkspaceID?
    public var generation: Int
    public var cause: Cause
    public var state: State
    /// When the container was made, as the engine says.
    public var createdAt: Timestamp?
    public var firstSeenAt: Timestamp
    public var quarantinedAt: Timestamp?
    /// It was among too many at once: it is left alone until somebody decides, however few are left by then.
    public var awaitsDecision = false

    public init(
        labels: WorkspaceLabels, containerID: String?, cause: Cause, state: State = .found, createdAt: Timestamp?, firstSeenAt: Timestamp
    ) {
        workspaceID = labels.workspace
        self.containerID = containerID
        name = labels.workspaceName
        runtime = labels.runtimeName
        template = labels.templateID
        tier = labels.tierNumber
        parentID = labels.parentID
        generation = labels.generationNumber
        self.cause = cause
        self.state = state
        self.createdAt = createdAt
        self.firstSeenAt = firstSeenAt
    }
}

/// Something done, or decided, about this installation's things as a whole. Kept for good, in one order.
public struct AuditEvent: Sendable, Hashable {
    public enum Kind: String, Sendable, CaseIterable {
        case orphanFound = "ORPHAN_FOUND"
        case orphanHoldBegan = "ORPHAN_HOLD_BEGAN"
        case orphanFuseBlew = "ORPHAN_FUSE_BLEW"
        case orphanConfirmed = "ORPHAN_CONFIRMED"
        case orphanQuarantined = "ORPHAN_QUARANTINED"
        case orphanRestored = "ORPHAN_RESTORED"
        case orphanAdopted = "ORPHAN_ADOPTED"
        case orphanPurged = "ORPHAN_PURGED"
        /// Its row came back: it is nobody's orphan any more.
        case orphanClaimed = "ORPHAN_CLAIMED"
        /// A registry's tag means another image now.
        case imageMoved = "IMAGE_MOVED"
        /// A new version has proved itself: workspaces made from now on run it.
        case imageAccepted = "IMAGE_ACCEPTED"
        /// A new version did not prove itself: workspaces run the one before.
        case imageRefused = "IMAGE_REFUSED"
        /// Every workspace that is meant to is on the new version.
        case imageRolledOut = "IMAGE_ROLLED_OUT"
        case imageRolledBack = "IMAGE_ROLLED_BACK"
        case imageRefreshFailed = "IMAGE_REFRESH_FAILED"
        case imageRemoved = "IMAGE_REMOVED"
    }

    /// From 1; nil until it is stored.
    public let sequence: Int64?
    public let kind: Kind
    /// The workspace it is about; nil when it is about the installation.
    public let workspaceID: WorkspaceID?
    public let at: Timestamp
    public let payload: JSONObject

    public init(sequence: Int64? = nil, kind: Kind, workspaceID: WorkspaceID?, at: Timestamp, payload: JSONObject = [:]) {
        self.sequence = sequence
        self.kind = kind
        self.workspaceID = workspaceID
        self.at = at
        self.payload = payload
    }
}
