public import Model

/// Makes and removes workspaces. A create commits the row and returns; the container is made in the background, one provision per
/// workspace at a time and `maxConcurrentProvisions` in all. Rules: `docs/wire/provision.md`; the story: `docs/flows/create-workspace.md`.
public final class WorkspaceProvisioner: Sendable, WorkspaceRecovering {
    let records: any ProvisionRecording
    let backend: any WorkspaceBackend
    let templates: any TemplateSource & TemplateFileReading
    let tokens: any TokenMaking
    let addressGuard: any AgentURLChecking
    let live: any EventPublishing
    let clock: any TimeSource
    let random: any RandomSource
    let log: any LogSink
    let settings: ProvisionSettings

    public init(
        records: any ProvisionRecording, backend: any WorkspaceBackend, templates: any TemplateSource & TemplateFileReading,
        tokens: any TokenMaking, addressGuard: any AgentURLChecking, live: any EventPublishing, clock: any TimeSource,
        random: any RandomSource, log: any LogSink, settings: ProvisionSettings
    ) {
        self.records = records
        self.backend = backend
        self.templates = templates
        self.tokens = tokens
        self.addressGuard = addressGuard
        self.live = live
        self.clock = clock
        self.random = random
        self.log = log
        self.settings = settings
    }

    /// Judges the request, commits the row and starts its provision. Returns at once. Throws `CodedError`.
    public func create(_ request: CreateWorkspace) async throws -> CreatedWorkspace { throw Failure(.internalError, "not built") }

    /// Removes `id` and its descendants: rows first, then what the engine holds. With children it must be `confirmed`, else
    /// `confirmation_required`. A repeated delete tries again what failed, descendants included. Throws `CodedError`.
    public func delete(_ id: WorkspaceID, confirmed: Bool) async throws -> Deletion { throw Failure(.internalError, "not built") }

    /// Returns when no provision is under way.
    public func idle() async {}

    /// Stops every provision where it stands and leaves its row as it is: the next start takes it up again.
    public func cancelAll() async {}

    public func inFlight() -> Set<WorkspaceID> { [] }
    public func resume(_ id: WorkspaceID, reason: String) async {}
    public func teardown(_ id: WorkspaceID) async -> ErrorCode? { nil }
    public func failExited(_ container: ContainerFacts, of id: WorkspaceID, generation: Int, exitCode: Int?) async {}
    public func failUnregistered(_ id: WorkspaceID, generation: Int, seconds: Int) async {}
    public func moveAddress(of id: WorkspaceID, to url: String, generation: Int) async {}
}
