import Model

extension WorkspaceProvisioner {
    /// Queues `attempt`: behind earlier work on the same workspace, and behind other provisions when all slots are taken.
    func launch(_ attempt: ProvisionAttempt, as kind: WorkspaceOperation.Kind) {
        work(kind, on: attempt.id) { running in await self.carryOut(attempt, running) }
    }

    func carryOut(_ attempt: ProvisionAttempt, _ running: @escaping @Sendable () async -> Void) async -> WorkOutcome {
        do {
            try await provisions.run(for: attempt.id) {
                await running()
                try await provision(attempt)
            }
            interruptions.withLock { $0[attempt.id] = nil }
            return .succeeded
        } catch {
            return await settle(attempt, error)
        }
    }

    /// From a committed row to a started container. The row stays `provisioning`: its agent, by registering or beating, brings it online.
    func provision(_ attempt: ProvisionAttempt) async throws {
        try await checkWanted(attempt)
        let journal = ProvisionJournal(id: attempt.id, records: records, live: live, clock: clock, began: clock.now())
        var recipe = try await recipe(for: attempt)
        let network = try await journal.phase(.network) { try await backend.ensureNetwork() }
        do {
            let version = try await journal.phase(.image) { try await image(for: attempt, recipe, journal) }
            try await journal.phase(.volumes) { try await makeVolumes(of: &recipe, attempt) }
            let container = try await place(recipe, version, attempt, on: network, journal)
            try await journal.phase(.start) { try await start(container, attempt.workspace) }
        } catch let error as BackendError where error.kind == .unavailable {
            throw ProvisionInterrupted(cause: error)
        }
        try await journal.started(.agent)
    }

    /// A delete may have come between the commit and this moment, when there was no task yet that it could cancel.
    private func checkWanted(_ attempt: ProvisionAttempt) async throws {
        let row = try await records.workspace(attempt.id)
        guard let row, row.status == .provisioning, row.generation == attempt.generation else { throw CancellationError() }
        if row.pendingCleanup { try await records.setPendingCleanup(false, for: attempt.id) }
    }

    /// Everything that can be judged without the engine: the template, the environment it requires, the files, the directory to mount.
    func recipe(for attempt: ProvisionAttempt) async throws -> ContainerRecipe {
        let workspace = attempt.workspace
        let template = try await template(of: workspace)
        let secrets = try await records.secrets(of: workspace.id)
        let environment = AgentEnvironment(
            workspace, template: template, secrets: secrets,
            platformURL: settings.platformURL ?? "http://host.docker.internal:\(settings.agentsPort)", awarenessURL: settings.awarenessURL)
        let missing = environment.missing(of: template?.requiredEnv ?? [])
        guard missing.isEmpty else { throw Self.missingEnvironment(missing) }
        guard let image = workspace.image else {
            throw Failure(.imageNotFound, "the workspace names no image", next: "Create the workspace again with a template or an image.")
        }
        let templateFiles: [ContainerFile] = if let template { try await templates.files(of: template) } else { [] }
        var directory: String?
        if let path = workspace.workspaceDirectory, workspace.workspaceAccess != .none {
            directory = try await WorkspaceDirectories(roots: settings.workspaceDirectoryRoots).resolve(path)
        }
        return ContainerRecipe(
            workspace: workspace, image: image, environment: environment,
            files: ConfigFiles.all(workspace, template: templateFiles, token: attempt.token.plaintext, secretFiles: secrets.files),
            hostDirectory: directory, settings: settings)
    }

    private func template(of workspace: Workspace) async throws -> Template? {
        guard let name = workspace.template else { return nil }
        guard let template = await templates.catalog()[name] else {
            throw Failure(
                .templateNotFound, "the template \(name) is gone or broken",
                next: "Restore templates/\(name), then create the workspace again.")
        }
        return template
    }

    private static func missingEnvironment(_ names: [String]) -> Failure {
        let list = names.count == 1 ? "\"\(names[0])\"" : names.joined(separator: ", ")
        return Failure(
            .envMissing, "required environment is missing: \(list)",
            next: "Give each as an entry of secrets, or of secret_files, then create the workspace again.",
            details: ["missing": .array(names.map(JSONValue.string))])
    }

    private func image(for attempt: ProvisionAttempt, _ recipe: ContainerRecipe, _ journal: ProvisionJournal) async throws -> ImageVersion {
        if let version = attempt.version { return version }
        return try await images.provide(recipe.image, progress: journal.pullReporter())
    }

    /// Files that an agent has lived with are its own: they stay, unless their volume is gone or somebody asked for the template's.
    private func makeVolumes(of recipe: inout ContainerRecipe, _ attempt: ProvisionAttempt) async throws {
        if recipe.workspace.hasLived {
            let there = try await backend.volumes(of: recipe.workspace.id)
            if there.contains(recipe.configsVolume), !attempt.appliesTemplate { recipe.files = ConfigFiles.credentials(in: recipe.files) }
            if attempt.resetsSession, there.contains(recipe.sessionsVolume) {
                try await removeContainers(of: recipe.workspace.id)
                try await backend.removeVolume(recipe.sessionsVolume)
            }
        }
        let labels = WorkspaceLabels(workspace: recipe.workspace)
        for volume in recipe.volumes {
            try await unbroken { [backend] in try await backend.createVolume(volume, labels: labels) }
            try Task.checkCancellation()
        }
    }

    /// Creates the container and copies its files in. A kept container ends meanwhile: before the token in their common volume becomes
    /// another's its process is gone, and before the new one starts the engine has tidied up after it.
    private func place(
        _ recipe: ContainerRecipe, _ version: ImageVersion, _ attempt: ProvisionAttempt, on network: WorkspaceNetwork,
        _ journal: ProvisionJournal
    ) async throws -> String {
        try await makeWay(for: recipe)
        let kept = recipe.workspace.kept?.id
        let (signs, sign) = AsyncStream.makeStream(of: EndSign.self)
        // Listened to before the stop: the engine tells of a death well before it answers the stop. Without events the answer is waited for.
        let events = kept == nil ? nil : try? await backend.events(since: nil)
        async let stopped: Void = stop(kept, sign)
        async let _: Void = watch(events, for: kept, sign)
        let container = try await journal.phase(.create) { try await create(recipe, version, attempt, on: network) }
        if kept != nil, await signs.first(where: { _ in true }) != .died { try await stopped }
        try await journal.phase(.copy) { try await backend.copy(recipe.files, into: container, at: "/configs") }
        try await stopped
        return container
    }

    private enum EndSign { case died, stopped }

    private func stop(_ kept: String?, _ sign: AsyncStream<EndSign>.Continuation) async throws {
        defer { sign.yield(.stopped) }
        guard let kept else { return }
        try await unbroken { [backend, settings] in try await backend.stop(kept, grace: settings.stopGrace) }
    }

    private func watch(
        _ events: AsyncThrowingStream<ContainerEvent, any Error>?, for kept: String?, _ sign: AsyncStream<EndSign>.Continuation
    ) async {
        guard let events else { return }
        do {
            for try await event in events where event.containerID == kept && event.action == .die {
                sign.yield(.died)
                return
            }
        } catch {
            return  // The stop itself tells.
        }
    }

    /// What an earlier generation left goes first, but only what labels show to be this workspace's own: a foreign container of the same
    /// name stays, and the create is refused with `name_conflict`. A kept container makes way.
    private func makeWay(for recipe: ContainerRecipe) async throws {
        let row = recipe.workspace
        for former in try await backend.containers(of: row.id) {
            if former.id == row.kept?.id {
                try await backend.rename(former.id, to: recipe.keptName)
            } else {
                try await backend.removeContainer(former.id)
            }
        }
    }

    private func create(
        _ recipe: ContainerRecipe, _ version: ImageVersion, _ attempt: ProvisionAttempt, on network: WorkspaceNetwork
    ) async throws -> String {
        let row = recipe.workspace
        var spec = recipe.container(on: network)
        // The reference when it means this version, for people who look; else the version itself.
        if attempt.version != nil, try await backend.image(recipe.image)?.id != version.id { spec.image = version.id }
        return try await unbroken { [backend, records, spec] in
            let container = try await backend.createContainer(spec)
            try await records.recordContainer(container, version: version, for: row.id, generation: row.generation)
            return container
        }
    }

    func start(_ container: String, _ workspace: Workspace) async throws {
        try await unbroken { [backend] in try await backend.start(container) }
        try await recordAddress(of: container, workspace)
    }

    /// Asks the engine where the container's agent port is, and stores it. An engine that does not say leaves the row without an
    /// address for now: the reconcile loop asks again. Throws when the container has ended already.
    func recordAddress(of container: String, _ workspace: Workspace) async throws {
        for attempt in 1...Self.addressTries {
            guard let facts = try await facts(of: container) else { break }
            if let exit = ContainerExit(facts) { throw exit }
            if let url = Self.address(of: facts, tier: workspace.tier) {
                try await records.recordAddress(url, for: workspace.id, generation: workspace.generation)
                return
            }
            if attempt < Self.addressTries { try await clock.sleep(for: .milliseconds(200)) }
        }
        log.warning("the engine reports no address yet", ("workspace", workspace.id.text))
    }

    private static let addressTries = 5

    private static func address(of facts: ContainerFacts, tier: Int) -> String? {
        if let url = facts.agentURL { return url }
        return tier == 4 ? TierPolicy.hostNetworkURL : nil
    }

    private func facts(of container: String) async throws -> ContainerFacts? {
        do {
            return try await backend.container(container)
        } catch let error as BackendError {
            log.warning("container not readable", ("container", container), ("error", String(describing: error)))
            return nil
        }
    }
}
