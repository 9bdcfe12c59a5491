import HTTP
import Model
import Provisioner

/// Making, seeing and removing workspaces. Rules: `docs/wire/workspaces.md`.
struct WorkspaceRoutes: Sendable {
    let services: APIServices
    let settings: APISettings

    var routes: [Route] {
        [
            Route(.get, "/workspaces", for: .admin, serve: list),
            Route(.post, "/workspaces", for: .admin, serve: create),
            Route(.get, "/workspaces/:id", at: [.people, .agents], for: .publicView, serve: show),
            Route(.delete, "/workspaces/:id", for: .admin, serve: remove),
            Route(.get, "/workspaces/:id/state", at: [.people, .agents], for: .workspaceEvenRemoved, serve: state),
        ]
    }

    private func list(_ call: Call) async throws -> Response {
        let declared = await services.templates.catalog().provisionTimeoutSeconds
        let live = try await services.workspaces.liveWorkspaces().filter { !$0.isCanary }
        return .json(200, .array(live.map { view(of: $0, declared: declared).listed() }))
    }

    private func create(_ call: Call) async throws -> Response {
        let body = try await call.request.json(limit: settings.bodyLimit, refusal: CreateWorkspace.refusal)
        let created = try await services.provisioner.create(try CreateWorkspace(decoding: body))
        return .json(201, reply(to: created, call.request))
    }

    private func reply(to created: CreatedWorkspace, _ request: Request) -> JSONValue {
        let workspace = created.workspace
        var body: JSONObject = ["id": .string(workspace.id.text)]
        if workspace.external { body["external"] = true }
        body["status"] = .string(workspace.status.rawValue)
        body["awareness_namespace"] = .string(workspace.awarenessNamespace)
        body["workspace_access"] = .string(workspace.workspaceAccess.rawValue)
        body["name"] = .string(workspace.name)
        body["runtime"] = .string(workspace.runtime)
        body["tier"] = .int(workspace.tier)
        body["generation"] = .int(workspace.generation)
        if let token = created.token {
            let platform = ConnectionBlock.platformURL(settings, request)
            body["connection"] = ConnectionBlock(workspaceID: workspace.id, platformURL: platform, token: token).json
        }
        return .object(body)
    }

    private func show(_ call: Call) async throws -> Response {
        let id = try call.workspaceID()
        guard let workspace = try await services.workspaces.workspace(id) else { throw Self.missing }
        guard !call.visitor.isAnonymous else { return .json(200, WorkspaceView(workspace).minimal()) }
        let declared = await services.templates.catalog().provisionTimeoutSeconds
        return .json(200, view(of: workspace, declared: declared).full(for: call.visitor))
    }

    /// Nobody waits for an external agent.
    private func view(of workspace: Workspace, declared: [String: Int]) -> WorkspaceView {
        let seconds = workspace.external ? nil : settings.provisionTimeouts.seconds(for: workspace.runtime, declared: declared)
        return WorkspaceView(workspace, provisionTimeoutSeconds: seconds)
    }

    private func remove(_ call: Call) async throws -> Response {
        let id = try call.workspaceID()
        let confirmed = try call.request.query.flag("confirm")
        do {
            return DeleteReply.response(try await services.provisioner.delete(id, confirmed: confirmed), of: id)
        } catch let error as any CodedError where error.code == .confirmationRequired {
            return DeleteReply.confirmation(error)
        }
    }

    /// A removed workspace's agent reads here that it is gone.
    private func state(_ call: Call) async throws -> Response {
        let id = try call.workspaceID()
        guard let workspace = try await services.workspaces.workspace(id) else {
            return .json(404, ["workspace_id": .string(id.text), "deleted": true])
        }
        guard workspace.status != .removed else {
            return .json(404, ["workspace_id": .string(id.text), "status": "removed", "deleted": true])
        }
        return .json(200, WorkspaceView(workspace).state())
    }

    static let missing = Failure(.workspaceNotFound, "workspace not found", next: "GET /workspaces lists what there is.")
}

/// What a delete answers.
enum DeleteReply {
    static func response(_ deletion: Deletion, of root: WorkspaceID) -> Response {
        guard deletion.failures.isEmpty else {
            return StopFailure(verb: "removed", count: deletion.removedIDs.count, failures: deletion.failures).response()
        }
        return .json(200, ["status": "removed", "cascade_deleted": .int(deletion.removedIDs.count { $0 != root })])
    }

    /// Existing clients read the children beside `status`, not in `details`.
    static func confirmation(_ error: any CodedError) -> Response {
        let children = error.details["children"]?.array ?? []
        return .json(
            409,
            [
                "status": "confirmation_required",
                "message": .string(error.message),
                "children": .array(children),
                "children_count": error.details["children_count"] ?? .int(children.count),
                "error": .string(error.message),
                "code": .string(error.code.rawValue),
                "next": .string(error.next ?? "Repeat the DELETE with ?confirm=true to remove the children too."),
            ])
    }
}
