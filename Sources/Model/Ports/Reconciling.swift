/// One thing the reconciler wants done about one workspace, and why. Every action is safe to repeat and names the generation it was
/// decided on: whoever carries it out looks at the row again first.
public enum ReconcileAction: Sendable, Hashable {
    /// Take up an interrupted provision: what already runs is kept, anything less is made again.
    case resume(WorkspaceID, reason: String)
    /// Remove container and volumes of a removed or failed row.
    case teardown(WorkspaceID, reason: String)
    /// A new container ended before its agent came: record cause, exit code and log tail, then remove container and volumes.
    case failExited(WorkspaceID, generation: Int, container: ContainerFacts, exitCode: Int?)
    /// No agent came in time: the row fails, the container stays, so that a late agent still recovers it.
    case failUnregistered(WorkspaceID, generation: Int, seconds: Int)
    /// The engine moved the container's published port; nil when there is nobody to dial.
    case moveAddress(WorkspaceID, generation: Int, url: String?)
    /// Nobody answers there now.
    case markOffline(WorkspaceID, generation: Int, reason: String)
    /// Start the container that is there; make another one when it cannot be started.
    case startAgain(WorkspaceID, generation: Int, container: String, reason: String)
    /// Make another container, as a new generation on the same volumes.
    case recreate(WorkspaceID, generation: Int, reason: String)
    /// The container runs and its agent is silent: stop it and start it again.
    case restartSilent(WorkspaceID, generation: Int, container: String, reason: String)
    /// The restart budget is spent: stop the container, keep it, and fail the row with cause and log tail.
    case failCrashLoop(WorkspaceID, generation: Int, container: ContainerFacts?, code: ErrorCode, message: String)
    /// It should not run: stop its containers and keep them.
    case stopContainers(WorkspaceID, reason: String)
    /// Containers of other generations beside the current one.
    case removeStale(WorkspaceID, containers: [String])
    /// No work for as long as the workspace allows.
    case hibernate(WorkspaceID, generation: Int, idleSince: Timestamp)
    /// A hibernation that nobody finishes.
    case finishHibernation(WorkspaceID)
    /// A trial of another image that nobody watches: keep the new container when its agent came, else go back to the kept one.
    case settleTrial(WorkspaceID, reason: String)
    /// A throwaway that nobody watches.
    case removeCanary(WorkspaceID, reason: String)

    public var workspaceID: WorkspaceID {
        switch self {
        case .resume(let id, _), .teardown(let id, _), .failExited(let id, _, _, _), .failUnregistered(let id, _, _),
            .moveAddress(let id, _, _), .markOffline(let id, _, _), .startAgain(let id, _, _, _), .recreate(let id, _, _),
            .restartSilent(let id, _, _, _), .failCrashLoop(let id, _, _, _, _), .stopContainers(let id, _), .removeStale(let id, _),
            .hibernate(let id, _, _), .finishHibernation(let id), .settleTrial(let id, _), .removeCanary(let id, _):
            id
        }
    }
}

/// What the reconcile loop asks of whoever makes containers.
public protocol WorkspaceReconciling: Sendable {
    /// Workspaces with work under way in this process; their rows and containers are not a sweep's business.
    func inFlight() -> Set<WorkspaceID>
    /// Does it, or finds that it is no longer wanted. Failures are logged; the next pass decides again.
    func carryOut(_ action: ReconcileAction) async
}

/// Agents that are being talked to. Implemented by whoever can wake a workspace; told by the proxy.
public protocol WorkspaceWaking: Sendable {
    /// Starts a hibernated workspace, in the background.
    func wake(_ id: WorkspaceID) async
    /// A message is on its way to `id`, until `workEnded` is called as often.
    func workBegan(on id: WorkspaceID)
    func workEnded(on id: WorkspaceID)
    /// Workspaces that messages are on their way to, now.
    func atWork() -> Set<WorkspaceID>
}
