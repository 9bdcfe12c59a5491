/// What the recovery loop asks of whoever makes containers. Every verb is safe to repeat: each reads the row again before it acts.
public protocol WorkspaceRecovering: Sendable {
    /// Workspaces with a provision under way in this process; their rows and containers are not a sweep's business.
    func inFlight() -> Set<WorkspaceID>
    /// Takes up an interrupted provision, in the background: what already runs is kept, anything less is made again as a new generation.
    func resume(_ id: WorkspaceID, reason: String) async
    /// Removes container and volumes of a removed or failed row and clears its pending cleanup. Returns why it could not.
    func teardown(_ id: WorkspaceID) async -> ErrorCode?
    /// A new container ended before its agent came: records cause, exit code and log tail, then removes container and volumes.
    func failExited(_ container: ContainerFacts, of id: WorkspaceID, generation: Int, exitCode: Int?) async
    /// No agent came in `seconds`: the row fails, the container stays, so that a late agent still recovers it.
    func failUnregistered(_ id: WorkspaceID, generation: Int, seconds: Int) async
    /// The engine moved the container's published port.
    func moveAddress(of id: WorkspaceID, to url: String?, generation: Int) async
}
