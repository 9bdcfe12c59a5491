public import Model
import Synchronization

/// Makes and removes workspaces. A create commits the row and returns; the container is made in the background, one provision per
/// workspace at a time and `maxConcurrentProvisions` in all. Rules: `docs/wire/provision.md`; the story: `docs/flows/create-workspace.md`.
public final class WorkspaceProvisioner: Sendable {
    let records: any ProvisionRecording
    let backend: any WorkspaceBackend
    let templates: any TemplateSource & TemplateFileReading
    let tokens: any TokenMaking
    let addressGuard: any AgentURLChecking
    let images: any ImageProviding
    let cards: any AgentCardReading
    let live: any EventPublishing
    let clock: any TimeSource
    let random: any RandomSource
    let log: any LogSink
    let settings: ProvisionSettings

    let lanes = Lanes<WorkspaceID>()
    let provisions: Slots
    /// Starting what is there again is short, and must not wait behind pulls.
    let restarts: Slots
    let removals = Slots(8)
    let jobs = ProvisionJobs()
    let conversations = Conversations()
    /// How often the engine went away at each workspace in a row.
    let interruptions = Mutex<[WorkspaceID: Int]>([:])

    public init(
        records: any ProvisionRecording, backend: any WorkspaceBackend, templates: any TemplateSource & TemplateFileReading,
        tokens: any TokenMaking, addressGuard: any AgentURLChecking, images: any ImageProviding, cards: any AgentCardReading,
        live: any EventPublishing, clock: any TimeSource, random: any RandomSource, log: any LogSink, settings: ProvisionSettings
    ) {
        self.records = records
        self.backend = backend
        self.templates = templates
        self.tokens = tokens
        self.addressGuard = addressGuard
        self.images = images
        self.cards = cards
        self.live = live
        self.clock = clock
        self.random = random
        self.log = log
        self.settings = settings
        let width = max(1, settings.maxConcurrentProvisions)
        provisions = Slots(width) { line in
            let now = clock.now()
            let news = line.enumerated().map { place, id in
                WorkspaceEvent(
                    workspaceID: id, sequence: nil, kind: .provisionProgress, at: now,
                    payload: ["phase": "queue", "state": "waiting", "position": .int(place + 1)])
            }
            live.publish(news)
        }
        restarts = Slots(width)
    }

    /// Judges the request, commits the row and starts its provision. Returns at once. Throws `CodedError`.
    public func create(_ request: CreateWorkspace) async throws -> CreatedWorkspace {
        let catalog = await templates.catalog()
        let id = WorkspaceID(random: random)
        var draft = try WorkspaceDraft(request, id: id, catalog: catalog, settings: settings, now: clock.now())
        if draft.workspace.external { return try await createExternal(draft, url: request.url) }
        if let directory = draft.workspace.workspaceDirectory, draft.workspace.workspaceAccess != .none {
            draft.workspace.workspaceDirectory = try await WorkspaceDirectories(roots: settings.workspaceDirectoryRoots).resolve(directory)
        }
        return try await createProvisioned(draft)
    }

    /// Returns when no provision is under way.
    public func idle() async { await jobs.idle() }

    /// Stops every provision where it stands and leaves its row as it is: the next start takes it up again.
    public func cancelAll() async { await jobs.cancelAll() }

    /// The intent is committed before the engine hears of it: whatever happens next, the row knows.
    func createProvisioned(_ draft: WorkspaceDraft) async throws -> CreatedWorkspace {
        let attempt = try await begin(draft)
        launch(attempt, as: .create)
        return CreatedWorkspace(workspace: attempt.workspace, token: nil)
    }

    /// Commits the row; nothing is made yet.
    func begin(_ draft: WorkspaceDraft) async throws -> ProvisionAttempt {
        let token = tokens.issue()
        var workspace = draft.workspace
        workspace.generation = 1
        workspace.provisionStartedAt = clock.now()
        let announcement: JSONObject = [
            "name": .string(workspace.name), "tier": .int(workspace.tier), "runtime": .string(workspace.runtime),
        ]
        let stored = try await records.insert(
            NewWorkspace(
                workspace: workspace, secrets: draft.secrets, secretFiles: draft.secretFiles, token: token.digest,
                events: [(kind: .provisioning, payload: announcement)]))
        return ProvisionAttempt(workspace: stored, token: token)
    }

    /// The agent lives elsewhere: there is nothing to make, only an address to judge and a token to hand out.
    private func createExternal(_ draft: WorkspaceDraft, url: String?) async throws -> CreatedWorkspace {
        let token = tokens.issue()
        var workspace = draft.workspace
        if let url = url?.nonEmpty {
            try await addressGuard.check(url)
            workspace.url = url
        }
        let online = workspace.url != nil && settings.developmentMode
        workspace.condition = WorkspaceCondition(online ? .online : .awaitingAgent)
        let announcement: JSONObject = ["name": .string(workspace.name), "external": true]
        let stored = try await records.insert(
            NewWorkspace(
                workspace: workspace, secrets: draft.secrets, secretFiles: draft.secretFiles, token: token.digest,
                events: [(kind: online ? .online : .awaitingAgent, payload: announcement)]))
        return CreatedWorkspace(workspace: stored, token: token.plaintext)
    }
}
