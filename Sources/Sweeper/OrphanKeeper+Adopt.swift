import Model

/// Rebuilding a row from what is written on the things.
extension OrphanKeeper {
    /// The container goes on with the token it has: it is read out of it, so that nothing needs to be started again. Only where there is
    /// none is a new one copied in, and the container started again by the reconciler.
    func adopt(_ thing: OrphanCase) async throws {
        let orphan = thing.orphan
        var row = try await row(for: thing)
        var digest: TokenDigest?
        var environment: [String: String] = [:]
        if let container = orphan.containerID {
            if let details = try await engine.details(of: container) {
                take(details, into: &row)
                environment = Self.given(details, beyond: await templates.catalog()[orphan.template]?.environment ?? [:])
            }
            digest = try await token(of: container)
        }
        let event = AuditEvent(kind: .orphanAdopted, workspaceID: orphan.workspaceID, at: clock.now(), payload: orphan.facts)
        let adopted = try await records.adopt(NewWorkspace(workspace: row, secrets: environment, token: digest), audit: event)
        guard adopted else {
            throw Failure(.nameConflict, "\(orphan.name) has a row already", next: "`berth workspaces get \(orphan.workspaceID)` shows it.")
        }
        log.info("adopted", ("workspace", orphan.workspaceID.text), ("name", orphan.name))
    }

    private func row(for thing: OrphanCase) async throws -> Workspace {
        let orphan = thing.orphan
        let now = clock.now()
        var row = Workspace(
            id: orphan.workspaceID, name: orphan.name, runtime: orphan.runtime, condition: WorkspaceCondition(.offline),
            createdAt: orphan.createdAt ?? now)
        row.tier = orphan.tier
        row.template = orphan.template.isEmpty ? nil : orphan.template
        row.parentID = orphan.parentID
        row.generation = orphan.generation
        row.containerID = orphan.containerID
        row.adoptedAt = now
        row.updatedAt = now
        row.provisionStartedAt = now
        let catalog = await templates.catalog()
        row.image = row.template.flatMap { catalog[$0]?.image } ?? StockRuntimes.images[orphan.runtime]
        row.model = row.template.flatMap { catalog[$0]?.model }
        return row
    }

    /// What a container says that labels do not.
    private func take(_ details: ContainerDetails, into row: inout Workspace) {
        if !details.facts.image.isEmpty { row.image = details.facts.image }
        row.url = details.facts.agentURL
        row.role = details.environment.last { $0.name == PlatformEnvironment.role }?.value
        if let mount = details.mounts.first(where: { $0.type == "bind" && $0.target == "/workspace" }) {
            row.workspaceDirectory = mount.source
            row.workspaceAccess = mount.readOnly ? .readOnly : .readWrite
        }
    }

    /// The variables somebody gave when the workspace was made: what neither the platform nor the image nor the template sets. They are
    /// secrets again.
    private static func given(_ details: ContainerDetails, beyond template: [String: String]) -> [String: String] {
        let names = PlatformEnvironment.reserved.union(PlatformEnvironment.defaulted)
        var given: [String: String] = [:]
        for variable in details.environment where !names.contains(variable.name) && template[variable.name] != variable.value {
            given[variable.name] = variable.value
        }
        for variable in details.imageEnvironment where given[variable.name] == variable.value { given[variable.name] = nil }
        return given
    }

    private func token(of container: String) async throws -> TokenDigest {
        let path = "/configs/.auth_token"
        if let bytes = try await engine.file(path, of: container) {
            let text = String(decoding: bytes, as: UTF8.self)
            if !text.isEmpty { return TokenDigest(hash: tokens.hash(text), prefix: String(text.prefix(8))) }
        }
        let issued = tokens.issue()
        // Stopped first: an agent reads its token when it starts.
        try await engine.stop(container, grace: stopGrace)
        let file = ContainerFile(path: ".auth_token", bytes: Array(issued.plaintext.utf8), mode: 0o600)
        try await engine.copy([file], into: container, at: "/configs")
        return issued.digest
    }
}
