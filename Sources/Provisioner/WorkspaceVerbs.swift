public import Model

/// How a restart treats what is there.
public struct RestartOptions: Sendable {
    /// Copy the template's files over those in `/configs`; without it the agent's own edits stay.
    public var applyTemplate = false
    /// Another template than the row's, applied and kept with the row.
    public var template: String?
    /// Forget the runtime's saved session.
    public var resetSession = false

    public init() {}
}

/// What a pause or a hibernation did. The statuses hold in any case; `failures` name workspaces whose container still runs and is tried again.
public struct StopReport: Sendable {
    /// The root first, then its descendants.
    public let stopped: [Workspace]
    public let failures: [Deletion.Problem]

    public init(stopped: [Workspace], failures: [Deletion.Problem]) {
        self.stopped = stopped
        self.failures = failures
    }
}

extension WorkspaceProvisioner {
    /// Makes a new container on the same volumes, as a new generation. Returns the row, `provisioning`. Throws `workspace_not_found`,
    /// `workspace_removed`, `external_workspace`, `parent_paused`, `template_not_found`.
    public func restart(_ id: WorkspaceID, _ options: RestartOptions) async throws -> Workspace { throw Self.unwritten }

    /// Stops `id` and its descendants and keeps them stopped. Throws `workspace_not_found`, `wrong_state`.
    public func pause(_ id: WorkspaceID) async throws -> StopReport { throw Self.unwritten }

    /// Starts `id` and its paused descendants. Returns the rows, `provisioning`. Throws `workspace_not_found`, `wrong_state`, `parent_paused`.
    public func resume(_ id: WorkspaceID) async throws -> [Workspace] { throw Self.unwritten }

    /// Stops `id` until the next message. Throws `workspace_not_found`, `wrong_state`, `external_workspace`, and `tasks_active` (with
    /// `details.active_tasks`) unless `force`.
    public func hibernate(_ id: WorkspaceID, force: Bool) async throws -> StopReport { throw Self.unwritten }

    /// Changes the row in one transaction. Throws `invalid_field`, `tier_not_allowed`, `runtime_unknown`, `parent_cycle`,
    /// `workspace_not_found`, `workspace_removed`, and `field_forbidden` when an agent names a field that is for people.
    public func update(_ id: WorkspaceID, _ change: WorkspaceChange, byAgent: Bool) async throws -> Workspace { throw Self.unwritten }

    /// Somebody who watches the boot says that it failed. False when the workspace is no longer `provisioning`. Throws `workspace_not_found`.
    public func bootstrapFailed(_ id: WorkspaceID, error: String, logTail: String) async throws -> Bool { throw Self.unwritten }

    /// Ends a provision that waits or runs: the row fails with `provision_cancelled`, what was made is removed, and data of a workspace that
    /// has lived is kept. Throws `workspace_not_found`, `wrong_state` when nothing is under way.
    public func cancel(_ id: WorkspaceID) async throws -> Workspace { throw Self.unwritten }

    /// 1 for the next in line; nil when it does not wait for a slot.
    public func queuePosition(of id: WorkspaceID) -> Int? { nil }

    private static var unwritten: Failure { Failure(.internalError, "not there yet") }
}
