import Model

/// One try at making a workspace's container: one generation, one token, at most one container.
struct ProvisionAttempt: Sendable {
    let workspace: Workspace
    let token: IssuedToken
    /// The template's files are copied over those of a workspace that has lived.
    var appliesTemplate = false
    /// The runtime's saved session is forgotten.
    var resetsSession = false
    /// The version to run; nil means the one that workspaces with this reference run.
    var version: ImageVersion?

    var id: WorkspaceID { workspace.id }
    var generation: Int { workspace.generation }
}

/// What there is to do about a row that waits for its container.
enum ProvisionStep: Sendable {
    /// The row has moved on, or its container runs and is written down.
    case nothing
    /// The container of its generation is there and ended before: it is started again, with everything in it.
    case start(Workspace, ContainerFacts)
    case make(ProvisionAttempt)
}

/// An engine that went away in the middle of a provision: nothing is known of what it did, and the reconciler takes the workspace up again.
struct ProvisionInterrupted: Error, CustomStringConvertible {
    let cause: BackendError

    var description: String { "interrupted by \(cause)" }
}

/// How the work of an operation ended.
enum WorkOutcome: Sendable {
    case succeeded, cancelled, interrupted
    case failed(ErrorCode, String)
}
