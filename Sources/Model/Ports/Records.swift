/// Why state could not be read or written. Never carries a driver's message; the store logs that.
public struct StoreError: CodedError, Equatable {
    public let code: ErrorCode
    public let message: String
    public let next: String?
    public let details: JSONObject

    public init(_ code: ErrorCode, _ message: String, next: String? = nil, details: JSONObject = JSONObject()) {
        self.code = code
        self.message = message
        self.next = next
        self.details = details
    }

    public static let unavailable = StoreError(
        .platformUnavailable, "platform datastore unavailable — retry shortly", next: "See the daemon's log for the cause, then retry.")
}

/// A row to be inserted, with what belongs into the same transaction.
public struct NewWorkspace: Sendable {
    /// Generation, status and all other columns as they shall be stored; `provisioning` rows start at generation 1.
    public var workspace: Workspace
    /// Name -> plaintext. Sealed before they are stored.
    public var secrets: [String: String]
    public var secretFiles: [String: String]
    public var token: TokenDigest?
    /// Events of the creation, stored in this order.
    public var events: [(kind: EventKind, payload: JSONObject)]

    public init(
        workspace: Workspace, secrets: [String: String] = [:], secretFiles: [String: String] = [:], token: TokenDigest? = nil,
        events: [(kind: EventKind, payload: JSONObject)] = []
    ) {
        self.workspace = workspace
        self.secrets = secrets
        self.secretFiles = secretFiles
        self.token = token
        self.events = events
    }
}

/// Secrets of one workspace, opened.
public struct WorkspaceSecrets: Sendable {
    public var environment: [String: String]
    public var files: [String: String]

    public init(environment: [String: String] = [:], files: [String: String] = [:]) {
        self.environment = environment
        self.files = files
    }
}

/// Reading rows. All throw `StoreError`.
public protocol WorkspaceReading: Sendable {
    func workspace(_ id: WorkspaceID) async throws -> Workspace?
    /// Rows that are not removed, oldest first.
    func liveWorkspaces() async throws -> [Workspace]
    /// Live descendants of `id`, parents before children, without `id` itself.
    func liveDescendants(of id: WorkspaceID) async throws -> [Workspace]
    /// Rows (also removed ones) whose container or volumes are still to be removed.
    func workspacesPendingCleanup() async throws -> [Workspace]
}

/// Reading what was done to a workspace. Throws `StoreError`.
public protocol OperationReading: Sendable {
    /// The newest first, at most `limit`.
    func operations(of id: WorkspaceID, limit: Int) async throws -> [WorkspaceOperation]
}

/// What the provisioner writes. All throw `StoreError`; each verb is one transaction, committed before it returns.
public protocol ProvisionRecording: WorkspaceReading, OperationReading {
    /// Throws `invalid_field` when its parent is not live, `parent_paused` when a workspace above it is paused.
    func insert(_ new: NewWorkspace) async throws -> Workspace
    func secrets(of id: WorkspaceID) async throws -> WorkspaceSecrets
    /// Moves the row to `provisioning` by the status machine and restarts the provision clock. With `token`, a new generation begins: the
    /// number is raised, every earlier token revoked, and a trial ended. Without, the container that is there is started again under its own token.
    /// nil, and nothing changed, when the row is missing or in none of the statuses of `from`. Throws `parent_paused` below a paused one.
    func startProvision(of id: WorkspaceID, token: TokenDigest?, from: Set<WorkspaceStatus>) async throws -> Workspace?
    /// Notes the generation's container and the version of its image that it was made from.
    func recordContainer(_ containerID: String, version: ImageVersion?, for id: WorkspaceID, generation: Int) async throws
    /// Stores where the agent is dialled. No event: the address is not the agent's state.
    func recordAddress(_ url: String?, for id: WorkspaceID, generation: Int) async throws
    /// Appends durable events in this order, in one transaction.
    func append(_ events: [(kind: EventKind, payload: JSONObject)], to id: WorkspaceID) async throws
    /// Applies `event` by the status machine in one transaction: condition, `failure` when given, tokens, events. Returns the row after
    /// it, or nil when the row is missing, the generation is another one (where one is given), or nothing changed.
    func apply(_ event: LifecycleEvent, failure: WorkspaceFailure?, to id: WorkspaceID, generation: Int?) async throws -> Workspace?
    /// Marks `root` and all that lives below it removed (tokens revoked, events stored: `cascade_deleted` on `root`) and pending cleanup, in
    /// one transaction. Nothing is changed when something lives below it and `withDescendants` is not set.
    func markRemoved(_ root: WorkspaceID, withDescendants: Bool) async throws -> Removal
    func setPendingCleanup(_ pending: Bool, for id: WorkspaceID) async throws
    /// Pauses `root` and all that lives below it, in one transaction. Returns the rows that moved, `root` first, parents before children.
    func pauseFamily(of root: WorkspaceID) async throws -> [Workspace]
    /// Writes `change` and `WORKSPACE_UPDATED`, in one transaction. nil when the row is missing; throws `workspace_removed` for a removed one,
    /// `parent_cycle` for a parent that is the row itself or below it, `invalid_field` for one that is not live, `parent_paused` for a row
    /// that does not rest and is to hang below a paused one.
    func change(_ id: WorkspaceID, _ change: WorkspaceChange) async throws -> Workspace?
    /// Moves an `online` or `degraded` row to `hibernating`, when it has no active tasks or `evenBusy` is set, and, where `idleSince` is given,
    /// when no work was noted after it.
    func claimHibernation(of id: WorkspaceID, evenBusy: Bool, idleSince: Timestamp?) async throws -> HibernationClaim
    /// Work was seen at `at`; earlier than what is stored changes nothing.
    func noteWork(on id: WorkspaceID, at: Timestamp) async throws

    /// Begins a new generation of an `online` or `degraded` row, and notes `container` as the one to go back to. nil, and nothing changed,
    /// when it is in another status or another trial is under way.
    func beginTrial(of id: WorkspaceID, token: TokenDigest, keeping container: String) async throws -> Workspace?
    /// The new container stays.
    func endTrial(of id: WorkspaceID) async throws
    /// Back to the kept container's generation, `provisioning` under `token`, or resting as it does. nil when the row is removed or keeps another one, or none.
    func returnToKept(_ kept: KeptContainer, of id: WorkspaceID, token: TokenDigest, version: ImageVersion?) async throws -> Workspace?

    func openOperation(_ kind: WorkspaceOperation.Kind, on id: WorkspaceID, reason: String?) async throws -> Int64
    /// Moves an operation on; `running` notes the start, every other state the end. One that is over stays as it is.
    func markOperation(_ operation: Int64, _ state: WorkspaceOperation.State, code: ErrorCode?, reason: String?) async throws
    /// Ends, as interrupted, what an earlier process left open.
    func interruptOperations() async throws
}

/// What came of asking for a removal.
public enum Removal: Sendable, Hashable {
    case removed(descendants: [WorkspaceID])
    /// What lives below, parents before children.
    case needsConfirmation([Workspace])
}

/// What came of asking for a hibernation.
public enum HibernationClaim: Sendable, Hashable {
    case claimed(Workspace)
    case busy(activeTasks: Int)
    /// The row is missing, or neither online nor degraded, or was at work meanwhile.
    case notNow
}

extension ProvisionRecording {
    /// Begins a new generation of whatever is not removed.
    public func beginGeneration(of id: WorkspaceID, token: TokenDigest) async throws -> Workspace? {
        try await startProvision(of: id, token: token, from: Set(WorkspaceStatus.allCases).subtracting([.removed]))
    }

    public func append(_ kind: EventKind, payload: JSONObject, to id: WorkspaceID) async throws {
        try await append([(kind, payload)], to: id)
    }
}

/// One heartbeat, decoded. nil fields were absent: absent means unchanged.
public struct Beat: Sendable {
    public var workspaceID: WorkspaceID
    public var tokenHash: [UInt8]
    public var errorRate: Double?
    public var sampleError: String?
    public var activeTasks: Int?
    public var uptimeSeconds: Int?
    public var currentTask: String?
    /// US cents; only positive values are written.
    public var monthlySpend: Int64?
    public var overrides: RuntimeOverrides?
    /// The moves this beat makes, compiled from the status machine: for an agent that left its error rate to us, and for one that declared
    /// `status_mgmt` (which of the two holds is known only to the row, unless the beat says so itself).
    public var moves: [WorkspaceCondition: WorkspaceStatusMachine.Transition]
    public var movesWhenSelfManaged: [WorkspaceCondition: WorkspaceStatusMachine.Transition]

    public init(
        workspaceID: WorkspaceID, tokenHash: [UInt8], moves: [WorkspaceCondition: WorkspaceStatusMachine.Transition],
        movesWhenSelfManaged: [WorkspaceCondition: WorkspaceStatusMachine.Transition]
    ) {
        self.workspaceID = workspaceID
        self.tokenHash = tokenHash
        self.moves = moves
        self.movesWhenSelfManaged = movesWhenSelfManaged
    }
}

/// What the row says after a beat.
public struct BeatRecord: Sendable, Hashable {
    public let condition: WorkspaceCondition
    public let activeTasks: Int
    public let uptimeSeconds: Int
    public let currentTask: String
    public let taskChanged: Bool
    public let spareTasks: Int

    public init(
        condition: WorkspaceCondition, activeTasks: Int, uptimeSeconds: Int, currentTask: String, taskChanged: Bool, spareTasks: Int
    ) {
        self.condition = condition
        self.activeTasks = activeTasks
        self.uptimeSeconds = uptimeSeconds
        self.currentTask = currentTask
        self.taskChanged = taskChanged
        self.spareTasks = spareTasks
    }
}

/// Why an agent's call was not accepted.
public enum AgentRefusal: Error, Sendable, Hashable {
    case tokenInvalid
    case workspaceMissing
    case workspaceRemoved
    /// The token belongs to an earlier provision of this workspace.
    case staleGeneration
}

public struct Registration: Sendable {
    public var workspaceID: WorkspaceID
    public var tokenHash: [UInt8]
    /// nil keeps the row's address (a workspace we provisioned is dialled where the engine says).
    public var url: String?
    public var agentCard: JSONValue

    public init(workspaceID: WorkspaceID, tokenHash: [UInt8], url: String?, agentCard: JSONValue) {
        self.workspaceID = workspaceID
        self.tokenHash = tokenHash
        self.url = url
        self.agentCard = agentCard
    }
}

extension Registration {
    /// Whether it says anything that `workspace` does not hold already: what is known is no event.
    public func isNews(to workspace: Workspace) -> Bool {
        workspace.condition != WorkspaceCondition(.online) || workspace.agentCard != agentCard || (url ?? workspace.url) != workspace.url
    }
}

public struct TokenOwner: Sendable, Hashable {
    public let workspaceID: WorkspaceID
    public let generation: Int
    public let removed: Bool
    public let revoked: Bool

    public init(workspaceID: WorkspaceID, generation: Int, removed: Bool, revoked: Bool) {
        self.workspaceID = workspaceID
        self.generation = generation
        self.removed = removed
        self.revoked = revoked
    }
}

/// What the registry writes. Refusals are values, not errors; errors are `StoreError`.
public protocol AgentRecording: Sendable {
    /// One statement: token, live row, columns, condition by `moves`, and the event when it moved.
    func recordHeartbeat(_ beat: Beat) async throws -> Result<BeatRecord, AgentRefusal>
    /// One transaction: card, address, beat time, condition by the machine, event.
    func register(_ registration: Registration) async throws -> Result<Workspace, AgentRefusal>
    func updateCard(_ card: JSONValue, of id: WorkspaceID, tokenHash: [UInt8]) async throws -> Result<Void, AgentRefusal>
    /// Whose token this is, also when it is revoked; nil when nobody's.
    func tokenOwner(_ hash: [UInt8]) async throws -> TokenOwner?
}

/// Reading stored events.
public protocol EventReading: Sendable {
    /// Events of `id` after `sequence`, oldest first, at most `limit`.
    func events(of id: WorkspaceID, after sequence: Int64, limit: Int) async throws -> [WorkspaceEvent]
    /// The newest sequence of `id`, 0 when there is none; nil when there is no such workspace.
    func lastSequence(of id: WorkspaceID) async throws -> Int64?
}

/// Health of the state.
public protocol StoreProbing: Sendable {
    /// Asks the database itself. Throws `platform_unavailable` when it does not answer in a bounded time, and `database_lost` when the
    /// file under an open SQLite database was removed or replaced: then nothing is written any more until a restart.
    func probe() async throws
}

/// Live fan-out. `publish` never waits for a reader.
public protocol EventPublishing: Sendable {
    func publish(_ events: [WorkspaceEvent])
}

public protocol EventSubscribing: Sendable {
    /// Live events of one workspace, or of all. A reader that falls behind loses the oldest and is told by a `gap`.
    func subscribe(to id: WorkspaceID?) -> AsyncStream<EventDelivery>
}

public enum EventDelivery: Sendable, Hashable {
    case event(WorkspaceEvent)
    /// Events were dropped here: read the store from the last sequence seen.
    case gap
}

/// Token material.
public protocol TokenMaking: Sendable {
    func issue() -> IssuedToken
    func hash(_ plaintext: String) -> [UInt8]
    /// Constant-time comparison.
    func matches(_ left: String, _ right: String) -> Bool
}

/// Sealing of secrets at rest: format v2, XChaCha20-Poly1305 with workspace id and key name as associated data.
public protocol SecretSealing: Sendable {
    func seal(_ plaintext: String, workspace: WorkspaceID, name: String) throws -> [UInt8]
    func open(_ sealed: [UInt8], workspace: WorkspaceID, name: String) throws -> String
}
