/// Every stable code a client, a log line or a failed workspace can carry. Text is for people, these are for programs;
/// `docs/errors.md` lists what to do about each.
public enum ErrorCode: String, Sendable, CaseIterable {
    // Requests
    case invalidRequest = "invalid_request"
    case invalidWorkspaceID = "invalid_workspace_id"
    case invalidField = "invalid_field"
    case payloadTooLarge = "payload_too_large"
    case notFound = "not_found"
    case methodNotAllowed = "method_not_allowed"
    case internalError = "internal_error"
    case shuttingDown = "shutting_down"

    // Who may
    case adminAuthRequired = "admin_auth_required"
    case adminAuthInvalid = "admin_auth_invalid"
    case workspaceAuthRequired = "workspace_auth_required"
    case workspaceAuthInvalid = "workspace_auth_invalid"
    case callerInvalid = "caller_invalid"
    case accessDenied = "access_denied"

    // Workspaces
    case workspaceNotFound = "workspace_not_found"
    case workspaceRemoved = "workspace_removed"
    case workspaceUnavailable = "workspace_unavailable"
    case confirmationRequired = "confirmation_required"
    case stopFailed = "stop_failed"
    case budgetExceeded = "budget_exceeded"
    case staleGeneration = "stale_generation"
    case wrongState = "wrong_state"
    case parentPaused = "parent_paused"
    case parentCycle = "parent_cycle"
    case tasksActive = "tasks_active"
    case externalWorkspace = "external_workspace"
    case fieldForbidden = "field_forbidden"

    // Orphans
    case orphanNotFound = "orphan_not_found"
    case orphanNotQuarantined = "orphan_not_quarantined"
    case orphanHasNoContainer = "orphan_has_no_container"

    // Templates
    case templateNotFound = "template_not_found"
    case templateInvalid = "template_invalid"
    case runtimeUnknown = "runtime_unknown"
    case tierNotAllowed = "tier_not_allowed"
    case envMissing = "env_missing"
    case envReserved = "env_reserved"
    case configMissing = "config_missing"

    // Engine
    case engineUnavailable = "engine_unavailable"
    case enginePermissionDenied = "engine_permission_denied"
    case engineTooOld = "engine_too_old"
    case engineTooNew = "engine_too_new"
    case engineTimeout = "engine_timeout"
    case engineError = "engine_error"
    case engineRequestInvalid = "engine_request_invalid"
    case imageNotFound = "image_not_found"
    case pullDenied = "pull_denied"
    case pullFailed = "pull_failed"
    case pullStalled = "pull_stalled"
    case imageDamaged = "image_damaged"
    case registryLoginFailed = "registry_login_failed"
    case registryUnknown = "registry_unknown"
    case registryUnreachable = "registry_unreachable"
    case registryError = "registry_error"
    case rateLimited = "rate_limited"
    case imageUnproven = "image_unproven"
    case noPreviousImage = "no_previous_image"
    case rolledBack = "rolled_back"
    case nameConflict = "name_conflict"
    case networkMissing = "network_missing"
    case portConflict = "port_conflict"
    case volumeInUse = "volume_in_use"
    case diskFull = "disk_full"
    case commandNotFound = "command_not_found"
    case containerMissing = "container_missing"
    case containerNotRunning = "container_not_running"
    case pathMissing = "path_missing"
    case startFailed = "start_failed"
    case copyFailed = "copy_failed"

    // Life of an agent
    case containerExited = "container_exited"
    case outOfMemory = "oom"
    case crashLoop = "crash_loop"
    case registerTimeout = "register_timeout"
    case agentSilent = "agent_silent"
    case bootstrapFailed = "bootstrap_failed"
    case provisionCancelled = "provision_cancelled"
    case provisionInterrupted = "provision_interrupted"

    // Proxy
    case unsafeURL = "unsafe_url"
    case agentUnreachable = "agent_unreachable"
    case agentBusy = "agent_busy"
    case agentResponseInvalid = "agent_response_invalid"
    case agentResponseTooLarge = "agent_response_too_large"
    case invalidJSON = "invalid_json"

    // State
    case platformUnavailable = "platform_unavailable"
    case databaseLocked = "database_locked"
    case databaseNewer = "database_newer"
    case databaseUnreachable = "database_unreachable"
    case databaseInvalid = "database_invalid"
    case databaseLost = "database_lost"
    case databaseForeign = "database_foreign"
    case secretsKeyInvalid = "secrets_key_invalid"
    case secretsUnreadable = "secrets_unreadable"
    case stateDirectoryUnusable = "state_directory_unusable"
    case configurationInvalid = "configuration_invalid"
    case portTaken = "port_taken"
    case alreadyRunning = "already_running"
}

/// An error a client may see: a stable code, a sentence, the next step, and structured details.
/// None of the three ever holds a secret, a driver's message or a connection string.
public protocol CodedError: Error, Sendable, CustomStringConvertible {
    var code: ErrorCode { get }
    var message: String { get }
    var next: String? { get }
    var details: JSONObject { get }
}

extension CodedError {
    public var next: String? { nil }
    public var details: JSONObject { JSONObject() }
    public var description: String { "\(code.rawValue): \(message)" }

    /// Whether it tells of an engine, a disk, a network or a store, and so nothing about the image that was to run.
    public var isAboutTheHost: Bool {
        self is StoreError || (self as? BackendError)?.kind == .unavailable
            || [.engineUnavailable, .engineTimeout, .enginePermissionDenied, .diskFull, .networkMissing, .nameConflict].contains(code)
    }
}

/// The plain carrier of a `CodedError`, for failures that no module's own error type describes better.
public struct Failure: CodedError, Equatable {
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
}
