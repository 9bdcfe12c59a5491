/// What the store keeps about orphans. All throw `StoreError`; each verb is one transaction.
public protocol OrphanRecording: Sendable {
    /// When the database first saw this installation.
    func installationSeenAt() async throws -> Timestamp
    /// The status of each of these workspaces that has a row, in whichever state.
    func statuses(of ids: [WorkspaceID]) async throws -> [WorkspaceID: WorkspaceStatus]
    func orphans() async throws -> [Orphan]
    /// Inserts or replaces `saved`, forgets `forgotten`, and appends `audit`.
    func saveOrphans(_ saved: [Orphan], forgetting forgotten: [WorkspaceID], audit: [AuditEvent]) async throws
    /// Inserts the row with its token, forgets the orphan, and appends the audit event and `WORKSPACE_ADOPTED`. False, and nothing done,
    /// when there is a row already, in whichever state.
    func adopt(_ adoption: NewWorkspace, audit: AuditEvent) async throws -> Bool
    /// Audit events after `sequence`, oldest first, at most `limit`.
    func auditEvents(after sequence: Int64, limit: Int) async throws -> [AuditEvent]
}

/// How orphans stand now, for people.
public struct OrphanReport: Sendable {
    public struct Entry: Sendable {
        public let orphan: Orphan
        /// Whether its container runs now.
        public let running: Bool
        public let volumes: [String]
        /// What happens to it next, in a sentence, and when; nil when nothing happens by itself.
        public let next: String
        public let nextAt: Timestamp?

        public init(orphan: Orphan, running: Bool, volumes: [String], next: String, nextAt: Timestamp?) {
            self.orphan = orphan
            self.running = running
            self.volumes = volumes
            self.next = next
            self.nextAt = nextAt
        }
    }

    /// off, report or enforce.
    public let mode: String
    /// A warning a person must read: the hold of a database that is new to this installation, or a blown fuse. nil when all is well.
    public let banner: String?
    /// Until when orphans of an unknown database are left alone.
    public let holdUntil: Timestamp?
    public let entries: [Entry]
    /// Containers on the same engine that look like workspaces and are not ours. Listed, never touched.
    public let strangers: [ContainerFacts]

    public init(mode: String, banner: String?, holdUntil: Timestamp?, entries: [Entry], strangers: [ContainerFacts]) {
        self.mode = mode
        self.banner = banner
        self.holdUntil = holdUntil
        self.entries = entries
        self.strangers = strangers
    }
}

/// What an act did to one orphan, or would do in a dry run.
public struct OrphanOutcome: Sendable {
    public let id: WorkspaceID
    public let name: String
    /// In a sentence.
    public let did: String
    /// Why it could not be done; nil when it was.
    public let failure: Failure?

    public init(id: WorkspaceID, name: String, did: String, failure: Failure? = nil) {
        self.id = id
        self.name = name
        self.did = did
        self.failure = failure
    }
}

public enum OrphanAct: String, Sendable, CaseIterable {
    /// Rebuild the row from the labels.
    case adopt
    /// Start it again and leave it alone.
    case restore
    /// It is an orphan: quarantine it now.
    case confirm
    /// Remove a quarantined one with its volumes, for good.
    case purge
}

/// Looking at orphans and deciding about them. Throws `CodedError`.
public protocol OrphanKeeping: Sendable {
    func report() async throws -> OrphanReport
    /// Does `act` to these orphans, or to every one it applies to when `ids` is nil. A dry run changes nothing.
    func perform(_ act: OrphanAct, on ids: [WorkspaceID]?, dryRun: Bool) async throws -> [OrphanOutcome]
    /// The warning of the last sweep, without asking anybody.
    var banner: String? { get }
}
