/// What a person or an agent wants changed about a workspace. An outer nil leaves a field as it is; an inner nil clears it.
public struct WorkspaceChange: Sendable, Hashable {
    // Cosmetic: an agent may change these about itself.
    public var name: String?
    public var role: String??
    public var canvasX: Double?
    public var canvasY: Double?
    public var collapsed: Bool?

    // Everything else is for people.
    public var tier: Int?
    public var runtime: String?
    public var model: String??
    public var image: String?
    public var template: String??
    public var parentID: WorkspaceID??
    public var workspaceDirectory: String??
    public var workspaceAccess: WorkspaceAccess?
    public var maxConcurrentTasks: Int?
    /// Minutes; an inner nil means never.
    public var hibernationIdleMinutes: Int??

    public init() {}

    public var isEmpty: Bool { self == WorkspaceChange() }

    /// The fields an agent may not change about itself, as the wire names them.
    public var fieldsForPeople: [String] {
        let named: [(String, Bool)] = [
            ("tier", tier != nil), ("runtime", runtime != nil), ("model", model != nil), ("image", image != nil),
            ("template", template != nil),
            ("parent_id", parentID != nil), ("workspace_dir", workspaceDirectory != nil), ("workspace_access", workspaceAccess != nil),
            ("max_concurrent_tasks", maxConcurrentTasks != nil), ("hibernation_idle_minutes", hibernationIdleMinutes != nil),
        ]
        return named.filter(\.1).map(\.0)
    }

    /// Whether a running container shows the change only after a restart.
    public var needsRestart: Bool {
        role != nil || tier != nil || runtime != nil || model != nil || image != nil || template != nil || parentID != nil
            || workspaceDirectory != nil
            || workspaceAccess != nil
    }

    /// Writes the change into `workspace`.
    public func apply(to workspace: inout Workspace) {
        if let name { workspace.name = name }
        if let role { workspace.role = role }
        if let canvasX { workspace.canvasX = canvasX }
        if let canvasY { workspace.canvasY = canvasY }
        if let collapsed { workspace.collapsed = collapsed }
        if let tier { workspace.tier = tier }
        if let runtime { workspace.runtime = runtime }
        if let model { workspace.model = model }
        if let image { workspace.image = image }
        if let template { workspace.template = template }
        if let parentID { workspace.parentID = parentID }
        if let workspaceDirectory { workspace.workspaceDirectory = workspaceDirectory }
        if let workspaceAccess { workspace.workspaceAccess = workspaceAccess }
        if let maxConcurrentTasks { workspace.maxConcurrentTasks = maxConcurrentTasks }
        if let hibernationIdleMinutes { workspace.hibernationIdleMinutes = hibernationIdleMinutes }
    }
}
