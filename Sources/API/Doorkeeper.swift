import HTTP
import Model

/// Decides who came in. It fails closed: while the datastore cannot say whose a token is, nobody is called invalid and nobody passes.
struct Doorkeeper: Sendable {
    let settings: APISettings
    let tokens: any TokenMaking
    let owners: any AgentRecording

    func admit(_ request: Request, to access: Access, at door: Door) async throws -> Visitor {
        switch access {
        case .open: .anonymous
        case .agentToken: try bearing(request)
        case .admin: try admin(request, at: door)
        case .workspace: try await workspace(request, at: door, evenRemoved: false)
        case .workspaceEvenRemoved: try await workspace(request, at: door, evenRemoved: true)
        case .publicView: try await publicView(request, at: door)
        case .sender: try await sender(request, at: door)
        }
    }

    private func admin(_ request: Request, at door: Door) throws -> Visitor {
        guard let bearer = request.headers.bearer else {
            guard opensWithoutBearer(request, at: door) else { throw Refusal.adminRequired }
            return .person
        }
        guard isAdmin(bearer, at: door) else { throw Refusal.adminInvalid }
        return .person
    }

    private func workspace(_ request: Request, at door: Door, evenRemoved: Bool) async throws -> Visitor {
        guard let bearer = request.headers.bearer else {
            guard opensWithoutBearer(request, at: door) else { throw Refusal.workspaceRequired }
            return .person
        }
        if isAdmin(bearer, at: door) { return .person }
        let id = try request.workspaceID()
        let owner = try await owner(of: bearer)
        guard let owner, owner.workspaceID == id, owner.removed || !owner.revoked else { throw Refusal.workspaceInvalid }
        guard !owner.removed || evenRemoved else { throw Refusal.workspaceRemoved }
        return .agent(id, removed: owner.removed)
    }

    /// Whose token it is, the registry says. Without one nobody's body is read.
    private func bearing(_ request: Request) throws -> Visitor {
        guard request.headers.bearer != nil else { throw Refusal.workspaceRequired }
        return .anonymous
    }

    private func publicView(_ request: Request, at door: Door) async throws -> Visitor {
        if door == .people, request.headers.bearer == nil, !opensWithoutBearer(request, at: door) { return .anonymous }
        return try await workspace(request, at: door, evenRemoved: false)
    }

    /// A person sends without `X-Workspace-ID`; an agent sends its own id there, also to itself.
    private func sender(_ request: Request, at door: Door) async throws -> Visitor {
        guard let claimed = request.headers["X-Workspace-ID"], !claimed.isEmpty else { return try await personSending(request, at: door) }
        guard !Self.reservedCallers.contains(where: claimed.hasPrefix), let id = WorkspaceID(claimed) else { throw Refusal.callerInvalid }
        guard let bearer = request.headers.bearer else { throw Refusal.callerRequired }
        guard let owner = try await owner(of: bearer), owner.workspaceID == id, owner.removed || !owner.revoked else {
            throw Refusal.callerTokenInvalid
        }
        guard !owner.removed else { throw Refusal.workspaceRemoved }
        return .agent(id, removed: false)
    }

    private func personSending(_ request: Request, at door: Door) async throws -> Visitor {
        switch door {
        case .people:
            guard let bearer = request.headers.bearer, !isAdmin(bearer, at: door) else { return try admin(request, at: door) }
            throw try await owner(of: bearer) == nil ? Refusal.adminInvalid : Refusal.callerMissing
        case .agents:
            guard let bearer = request.headers.bearer else { throw Refusal.callerRequired }
            throw try await owner(of: bearer) == nil ? Refusal.callerTokenInvalid : Refusal.callerMissing
        }
    }

    /// Callers that only the daemon itself can be.
    private static let reservedCallers = ["webhook:", "system:", "test:", "channel:"]

    /// The admin bearer counts at the people's door only: what reaches containers carries workspace tokens.
    private func isAdmin(_ bearer: String, at door: Door) -> Bool {
        door == .people && !settings.adminToken.isEmpty && tokens.matches(bearer, settings.adminToken)
    }

    private func owner(of bearer: String) async throws -> TokenOwner? {
        do {
            return try await owners.tokenOwner(tokens.hash(bearer))
        } catch {
            throw Refusal.datastoreUnavailable
        }
    }

    /// Development mode forgives a missing bearer at the people's door, only there, only while it listens on loopback, and only while
    /// the operator set no token. A page of another site in the developer's browser is not the developer: its `Origin`, or a `Host`
    /// that merely resolves to loopback, gives it away.
    private func opensWithoutBearer(_ request: Request, at door: Door) -> Bool {
        guard door == .people, settings.developmentMode, settings.adminTokenWasGenerated, settings.peopleDoorIsLoopback else {
            return false
        }
        let host = request.headers["Host"].map(Self.isLoopback) ?? true
        let origin = request.headers["Origin"].map { Self.isLoopback($0.split(separator: "/").last.map(String.init) ?? "") } ?? true
        return host && origin
    }

    private static func isLoopback(_ authority: String) -> Bool {
        let host = authority.hasPrefix("[") ? authority.prefix(while: { $0 != "]" }).dropFirst() : authority.prefix(while: { $0 != ":" })
        return host == "localhost" || host == "::1" || isLoopbackIPv4(host)
    }

    private static func isLoopbackIPv4(_ host: some StringProtocol) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        return parts.count == 4 && parts[0] == 127 && !parts.contains(nil)
    }
}

/// The refusals at the doors, in the words existing clients know.
enum Refusal {
    private static let adminNext =
        "Send 'Authorization: Bearer <token>' with ADMIN_TOKEN, or with the content of admin-token in the state directory."
    private static let agentNext = "Send 'Authorization: Bearer <token>' with the token this workspace was given."
    private static let callerNext =
        "An agent sends its own workspace id in X-Workspace-ID together with its own token; a person sends neither."

    static let adminRequired = Failure(.adminAuthRequired, "admin auth required", next: adminNext)
    static let adminInvalid = Failure(.adminAuthInvalid, "invalid admin auth token", next: adminNext)
    static let workspaceRequired = Failure(.workspaceAuthRequired, "missing workspace auth token", next: agentNext)
    static let workspaceInvalid = Failure(
        .workspaceAuthInvalid, "invalid workspace auth token",
        next: "The token belongs to another workspace, or was replaced by a later start: read it again.")
    static let workspaceRemoved = Failure(.workspaceRemoved, "workspace removed", next: "Stop the agent: its workspace was deleted.")
    static let callerInvalid = Failure(.callerInvalid, "invalid caller ID", next: callerNext)
    static let callerMissing = Failure(.callerInvalid, "missing caller ID", next: callerNext)
    static let callerRequired = Failure(.workspaceAuthRequired, "missing caller auth token", next: agentNext)
    static let callerTokenInvalid = Failure(.workspaceAuthInvalid, "invalid caller auth token", next: callerNext)
    static let datastoreUnavailable = Failure(.platformUnavailable, "platform datastore unavailable — retry shortly")
}
