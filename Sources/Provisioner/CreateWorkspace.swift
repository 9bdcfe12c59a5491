public import Model

/// A request for a workspace, as decoded and not yet judged. Absent fields are nil.
public struct CreateWorkspace: Sendable {
    public var name: String
    public var role: String?
    public var template: String?
    public var runtime: String?
    public var model: String?
    /// Wins over the template's image and the runtime map.
    public var image: String?
    public var tier: Int?
    /// The agent lives elsewhere: no container is made.
    public var external = false
    /// Where an external agent is dialled.
    public var url: String?
    /// A directory of this host to mount at `/workspace`.
    public var workspaceDirectory: String?
    public var workspaceAccess: String?
    public var parentID: WorkspaceID?
    /// US cents.
    public var budgetLimit: Int64?
    /// Name -> value; they become environment variables.
    public var secrets: [String: String] = [:]
    /// Name -> value; they become `/configs/.secrets/<name>`, mode 0600.
    public var secretFiles: [String: String] = [:]
    public var maxConcurrentTasks: Int?
    public var canvasX: Double = 0
    public var canvasY: Double = 0

    public init(name: String) { self.name = name }
}

/// A workspace as it was committed.
public struct CreatedWorkspace: Sendable {
    public let workspace: Workspace
    /// The agent's token in plain text, for external workspaces only: it is shown once and kept nowhere.
    public let token: String?

    public init(workspace: Workspace, token: String?) {
        self.workspace = workspace
        self.token = token
    }
}

/// What a delete did. Rows are removed in any case; `failures` name the ones whose container or volumes still stand and will be tried again.
public struct Deletion: Sendable {
    public struct Problem: Sendable, Hashable {
        public let id: WorkspaceID
        public let code: ErrorCode

        public init(id: WorkspaceID, code: ErrorCode) {
            self.id = id
            self.code = code
        }
    }

    /// The root first, then its descendants.
    public let removedIDs: [WorkspaceID]
    public let failures: [Problem]

    public init(removedIDs: [WorkspaceID], failures: [Problem]) {
        self.removedIDs = removedIDs
        self.failures = failures
    }
}
