import Model

/// Where a request came in. The same routes serve both doors; each route says at which it stands.
public enum Door: String, Sendable, CaseIterable {
    /// For people and their tools: loopback unless the operator says otherwise.
    case people
    /// For agents in containers: only what an agent needs, a workspace token always.
    case agents
}

/// Who may use a route. The rules stand in `docs/wire/workspaces.md`, "Who may".
public enum Access: String, Sendable, CaseIterable {
    /// Anybody.
    case open
    /// The admin bearer.
    case admin
    /// The admin bearer, or the token of the workspace the path names. At the agents' door only the latter.
    case workspace
    /// As `workspace`, but the token of a removed workspace is let through, so that its agent learns what happened.
    case workspaceEvenRemoved
    /// At the people's door anybody, who then sees little; a credential that is sent must be right. At the agents' door as `workspace`.
    case publicView
    /// Whoever may send a message: a person, or the workspace that `X-Workspace-ID` names.
    case sender
    /// An agent's token, judged by the registry together with the body that names the workspace.
    case agentToken
}

/// Who came in.
enum Visitor: Sendable, Hashable {
    case anonymous
    case person
    case agent(WorkspaceID, removed: Bool)

    var isAnonymous: Bool { self == .anonymous }
    var isPerson: Bool { self == .person }
}
