import Model

/// A workspace as clients see it. The first keys stand in the order and with the explicit nulls that existing clients match as text
/// (`docs/wire/workspaces.md`); ours follow them.
struct WorkspaceView {
    let workspace: Workspace
    /// How long its agent may take to register; nil where nobody waits for one.
    let provisionTimeoutSeconds: Int?

    init(_ workspace: Workspace, provisionTimeoutSeconds: Int? = nil) {
        self.workspace = workspace
        self.provisionTimeoutSeconds = provisionTimeoutSeconds
    }

    /// For the list, which only people see.
    func listed() -> JSONValue { .object(known(showingHost: true)) }

    /// For one workspace. An agent does not see the directory of the host.
    func full(for visitor: Visitor) -> JSONValue {
        var object = known(showingHost: visitor.isPerson)
        object["last_outbound_at"] = .optional(workspace.lastOutboundAt?.rfc3339)
        return .object(object)
    }

    /// For anybody.
    func minimal() -> JSONValue { ["id": .string(workspace.id.text), "status": .string(workspace.status.rawValue)] }

    /// For the agent that asks how it stands.
    func state() -> JSONValue {
        [
            "workspace_id": .string(workspace.id.text), "status": .string(workspace.status.rawValue),
            "paused": .bool(workspace.status == .paused), "deleted": false,
        ]
    }

    private func known(showingHost: Bool) -> JSONObject {
        var object: JSONObject = [
            "id": .string(workspace.id.text),
            "name": .string(workspace.name),
            "role": .optional(workspace.role),
            "tier": .int(workspace.tier),
            "status": .string(workspace.status.rawValue),
            "agent_card": workspace.agentCard ?? .null,
            "url": .string(workspace.url ?? ""),
            "parent_id": .optional(workspace.parentID?.text),
            "active_tasks": .int(workspace.activeTasks),
            "max_concurrent_tasks": .int(workspace.maxConcurrentTasks),
            "last_error_rate": .double(workspace.lastErrorRate),
            "last_sample_error": .string(workspace.lastSampleError),
            "uptime_seconds": .int(workspace.uptimeSeconds),
            "current_task": .string(workspace.currentTask),
            "runtime": .string(workspace.runtime),
        ]
        if showingHost { object["workspace_dir"] = .optional(workspace.workspaceDirectory) }
        object["monthly_spend"] = .int(workspace.monthlySpend)
        object["budget_limit"] = workspace.budgetLimit.map { .int($0) } ?? .null
        object["x"] = .double(workspace.canvasX)
        object["y"] = .double(workspace.canvasY)
        object["collapsed"] = .bool(workspace.collapsed)
        if let seconds = provisionTimeoutSeconds { object["provision_timeout_ms"] = .int(seconds * 1000) }
        addOurs(to: &object)
        return object
    }

    private func addOurs(to object: inout JSONObject) {
        object["external"] = .bool(workspace.external)
        object["template"] = .optional(workspace.template)
        object["model"] = .optional(workspace.model)
        object["image"] = .optional(workspace.image)
        object["image_version"] = ImageView.version(workspace.imageVersion)
        object["generation"] = .int(workspace.generation)
        object["workspace_access"] = .string(workspace.workspaceAccess.rawValue)
        object["hibernation_idle_minutes"] = .optional(workspace.hibernationIdleMinutes)
        object["last_work_at"] = .optional(workspace.lastWorkAt?.rfc3339)
        object["adopted_at"] = .optional(workspace.adoptedAt?.rfc3339)
        object["last_heartbeat_at"] = .optional(workspace.lastHeartbeatAt?.rfc3339)
        object["created_at"] = .string(workspace.createdAt.rfc3339)
        object["updated_at"] = .string(workspace.updatedAt.rfc3339)
        if let failure = workspace.failure { object["failure"] = Self.failure(failure) }
    }

    private static func failure(_ failure: WorkspaceFailure) -> JSONValue {
        [
            "code": .string(failure.code.rawValue),
            "message": .string(failure.message),
            "next": .optional(failure.next),
            "exit_code": .optional(failure.exitCode),
            "log_tail": .optional(failure.logTail),
            "at": .string(failure.at.rfc3339),
        ]
    }
}
