import Model

/// The answers that do not depend on the request. Their sentences are fixed: public clients compare them.
enum Refusals {
    static let tokenMissing = Failure(
        .workspaceAuthRequired, "missing workspace auth token", next: "Send the workspace's token as Authorization: Bearer <token>.")
    static let tokenInvalid = Failure(
        .workspaceAuthInvalid, "invalid workspace auth token", next: "Read the token file again: it changes with every provision.")
    /// A 401 too, so that an agent reads its token again; the details say that a newer container has taken its place.
    static let staleGeneration = Failure(
        .workspaceAuthInvalid, "invalid workspace auth token", next: "A newer container runs this workspace: stop this one.",
        details: ["reason": .string(ErrorCode.staleGeneration.rawValue)])
    static let removed = Failure(
        .workspaceRemoved, "workspace removed", next: "Stop: this workspace was deleted and will not come back.", details: ["deleted": true]
    )
    static let foreignHost = Failure(
        .unsafeURL, "url does not name this workspace's own container",
        next: "Register http://<container hostname>:<port>; the workspace is dialled where the engine publishes it.")
}
