/// A workspace as the store keeps it. Money is in US cents.
public struct Workspace: Sendable, Hashable {
    public var id: WorkspaceID
    public var name: String
    public var role: String?
    /// 1 sandboxed, 2 standard, 3 privileged, 4 full.
    public var tier: Int
    public var condition: WorkspaceCondition
    public var runtime: String
    public var template: String?
    public var model: String?
    /// The image the current generation runs or will run.
    public var image: String?
    /// The version of `image` that its container was made from; nil when there is none, or nobody wrote it down.
    public var imageVersion: ImageVersion?
    /// Its former container, while another image is tried on it.
    public var kept: KeptContainer?
    /// A throwaway that only shows whether an image works.
    public var isCanary: Bool
    public var external: Bool
    public var parentID: WorkspaceID?
    /// Counts provisions; beats and registrations of an older generation's container change nothing.
    public var generation: Int
    public var provisionStartedAt: Timestamp?
    public var containerID: String?
    public var agentCard: JSONValue?
    /// Where the agent is dialled, as the engine (or, for external workspaces, the agent) reports it.
    public var url: String?
    public var workspaceDirectory: String?
    public var workspaceAccess: WorkspaceAccess
    public var awarenessNamespace: String
    public var maxConcurrentTasks: Int
    public var activeTasks: Int
    public var currentTask: String
    public var uptimeSeconds: Int
    public var lastErrorRate: Double
    public var lastSampleError: String
    public var lastHeartbeatAt: Timestamp?
    public var lastOutboundAt: Timestamp?
    public var monthlySpend: Int64
    public var budgetLimit: Int64?
    public var overrides: RuntimeOverrides
    public var failure: WorkspaceFailure?
    /// Minutes without work after which the workspace hibernates; nil means never.
    public var hibernationIdleMinutes: Int?
    /// When the agent last was at work, as its beats and its messages show.
    public var lastWorkAt: Timestamp?
    /// When the row was rebuilt from a container's labels; nil for rows that were created.
    public var adoptedAt: Timestamp?
    /// Container or volumes of this row are still to be removed.
    public var pendingCleanup: Bool
    public var canvasX: Double
    public var canvasY: Double
    public var collapsed: Bool
    public var createdAt: Timestamp
    public var updatedAt: Timestamp

    public init(id: WorkspaceID, name: String, runtime: String, condition: WorkspaceCondition, createdAt: Timestamp) {
        self.id = id
        self.name = name
        self.runtime = runtime
        self.condition = condition
        self.createdAt = createdAt
        updatedAt = createdAt
        tier = 2
        isCanary = false
        external = false
        generation = 0
        workspaceAccess = .none
        awarenessNamespace = "workspace:\(id)"
        maxConcurrentTasks = 1
        activeTasks = 0
        currentTask = ""
        uptimeSeconds = 0
        lastErrorRate = 0
        lastSampleError = ""
        monthlySpend = 0
        overrides = RuntimeOverrides()
        pendingCleanup = false
        canvasX = 0
        canvasY = 0
        collapsed = false
    }

    public var status: WorkspaceStatus { condition.status }

    /// Whether an agent was ever there: then the volumes may hold somebody's work, and the files in them are the agent's own.
    public var hasLived: Bool { lastHeartbeatAt != nil || adoptedAt != nil }
}

/// A container that is stopped and kept until the one in its place has proved itself.
public struct KeptContainer: Sendable, Hashable {
    public let id: String
    public let generation: Int

    public init(id: String, generation: Int) {
        self.id = id
        self.generation = generation
    }
}

/// How a host directory is mounted at `/workspace`.
public enum WorkspaceAccess: String, Sendable, CaseIterable, Hashable {
    case none
    case readOnly = "read_only"
    case readWrite = "read_write"
}

/// What an agent says about itself in `runtime_metadata`. A beat that carries no such block leaves it as it is.
public struct RuntimeOverrides: Sendable, Hashable {
    /// Seconds of silence after which a dispatch to this agent is cut; nil means the daemon's own.
    public var idleTimeoutSeconds: Int?
    public var capabilities: [String: Bool]

    /// Larger windows are cut to this: an agent may not grant itself for ever.
    public static let longestIdleTimeoutSeconds = 86_400

    public init(idleTimeoutSeconds: Int? = nil, capabilities: [String: Bool] = [:]) {
        self.idleTimeoutSeconds = idleTimeoutSeconds.flatMap { $0 > 0 ? min($0, Self.longestIdleTimeoutSeconds) : nil }
        self.capabilities = capabilities
    }

    public func has(_ capability: AgentCapability) -> Bool { capabilities[capability.rawValue] ?? false }
}

public enum AgentCapability: String, Sendable, CaseIterable {
    case heartbeat, scheduler, session, retry
    case statusManagement = "status_mgmt"
    case activityDecoration = "activity_decoration"
    case channelDispatch = "channel_dispatch"
}

/// Why a workspace failed, kept with its row and shown to people.
public struct WorkspaceFailure: Sendable, Hashable {
    public let code: ErrorCode
    public let message: String
    public let next: String?
    public let exitCode: Int?
    /// The last lines the container wrote, at most 8 KiB.
    public let logTail: String?
    public let at: Timestamp

    public init(code: ErrorCode, message: String, next: String? = nil, exitCode: Int? = nil, logTail: String? = nil, at: Timestamp) {
        self.code = code
        self.message = message
        self.next = next
        self.exitCode = exitCode
        self.logTail = logTail
        self.at = at
    }
}

/// A token as the store knows it: the plaintext is shown once and kept nowhere.
public struct TokenDigest: Sendable, Hashable {
    /// SHA-256 of the plaintext.
    public let hash: [UInt8]
    /// The first 8 characters of the plaintext, for people to tell tokens apart.
    public let prefix: String

    public init(hash: [UInt8], prefix: String) {
        self.hash = hash
        self.prefix = prefix
    }
}

/// A token that was just made.
public struct IssuedToken: Sendable {
    /// 32 random bytes, base64url without padding: 43 characters.
    public let plaintext: String
    public let digest: TokenDigest

    public init(plaintext: String, digest: TokenDigest) {
        self.plaintext = plaintext
        self.digest = digest
    }
}
