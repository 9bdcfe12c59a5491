import Model

/// What a change may hold: the rules of a create, for one row, with the field at fault named.
struct ChangeRules: Sendable {
    let settings: ProvisionSettings
    let catalog: TemplateCatalog

    static let mostTasks = 64
    static let longestIdleMinutes = 525_600

    /// The change as it is to be written: an image that follows from a new runtime, a directory with its links resolved.
    func judge(_ change: WorkspaceChange, of row: Workspace) async throws -> WorkspaceChange {
        var change = change
        try checkTexts(change, row)
        if let tier = change.tier { try TierPolicy.check(tier, allowed: settings.allowedTiers) }
        if let tasks = change.maxConcurrentTasks, !(1...Self.mostTasks).contains(tasks) {
            throw FieldRules.invalidField("max_concurrent_tasks", "must be from 1 to \(Self.mostTasks)")
        }
        if case .some(.some(let minutes)) = change.hibernationIdleMinutes, !(1...Self.longestIdleMinutes).contains(minutes) {
            throw FieldRules.invalidField("hibernation_idle_minutes", "must be from 1 to \(Self.longestIdleMinutes), or null for never")
        }
        if let image = change.image { try FieldRules.checkImage(image) }
        if let runtime = change.runtime { try follow(runtime, row, &change) }
        try await resolveDirectory(row, &change)
        return change
    }

    private func checkTexts(_ change: WorkspaceChange, _ row: Workspace) throws {
        var texts = CreateWorkspace(name: change.name ?? row.name)
        texts.role = change.role ?? nil
        texts.model = change.model ?? nil
        texts.runtime = change.runtime
        try FieldRules.checkTexts(texts)
    }

    private func follow(_ runtime: String, _ row: Workspace, _ change: inout WorkspaceChange) throws {
        guard runtime != row.runtime else { return }
        guard !row.external, runtime != WorkspaceDraft.externalRuntime else {
            throw FieldRules.invalidField("runtime", "a workspace cannot become external, or cease to be")
        }
        let image = try WorkspaceDraft.image(of: runtime, asked: change.image, template: row.template.flatMap { catalog[$0] }, catalog)
        change.image = image
    }

    private func resolveDirectory(_ row: Workspace, _ change: inout WorkspaceChange) async throws {
        let directory = change.workspaceDirectory ?? row.workspaceDirectory
        var access = change.workspaceAccess ?? row.workspaceAccess
        if change.workspaceDirectory != nil, change.workspaceAccess == nil { access = directory == nil ? .none : .readWrite }
        if change.workspaceDirectory != nil { change.workspaceAccess = access }
        guard access == .none || directory != nil else {
            throw FieldRules.invalidField("workspace_access", "needs a workspace_dir")
        }
        let tier = change.tier ?? row.tier
        if access != .none, !TierPolicy.mountsWorkspace(tier) {
            throw FieldRules.invalidField("workspace_access", "tier \(tier) mounts no directory")
        }
        if case .some(.some(let path)) = change.workspaceDirectory {
            change.workspaceDirectory = .some(try await WorkspaceDirectories(roots: settings.workspaceDirectoryRoots).resolve(path))
        }
    }
}
