import HTTP
import Model

/// One operation: declared once, with who may use it and at which doors it stands.
struct Route: Sendable {
    let method: Method
    let path: String
    let doors: Set<Door>
    let access: Access
    let serve: @Sendable (Call) async throws -> Response

    init(
        _ method: Method, _ path: String, at doors: Set<Door> = [.people], for access: Access,
        serve: @escaping @Sendable (Call) async throws -> Response
    ) {
        self.method = method
        self.path = path
        self.doors = doors
        self.access = access
        self.serve = serve
    }
}

/// A request that was let in.
struct Call: Sendable {
    let request: Request
    let door: Door
    let visitor: Visitor

    /// The workspace the path names.
    func workspaceID() throws -> WorkspaceID { try request.workspaceID() }
}

extension Request {
    /// The `:id` of the path. Checked here, before any query sees it.
    func workspaceID() throws -> WorkspaceID {
        guard let id = parameters["id"].flatMap(WorkspaceID.init) else {
            throw Failure(.invalidWorkspaceID, "invalid workspace ID", next: "Workspace ids are UUIDs; GET /workspaces lists them.")
        }
        return id
    }
}
