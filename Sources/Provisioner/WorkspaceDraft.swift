import Model

/// A create request judged against templates and settings: the row as it will be committed.
struct WorkspaceDraft: Sendable {
    static let externalRuntime = "external"

    var workspace: Workspace
    let secrets: [String: String]
    let secretFiles: [String: String]

    /// Caller, then template, then the platform's default, for each field. Pure; throws `Failure`.
    init(_ request: CreateWorkspace, id: WorkspaceID, catalog: TemplateCatalog, settings: ProvisionSettings, now: Timestamp) throws {
        try FieldRules.checkTexts(request)
        let template = try Self.template(request.template, in: catalog)
        let runtime = Self.runtime(request, template, settings)
        let external = runtime == Self.externalRuntime
        workspace = Workspace(id: id, name: request.name, runtime: runtime, condition: WorkspaceCondition(.provisioning), createdAt: now)
        workspace.external = external
        workspace.role = request.role?.nonEmpty
        workspace.template = template?.id
        workspace.model = request.model?.nonEmpty ?? template?.model
        workspace.tier = request.tier.flatMap { $0 == 0 ? nil : $0 } ?? template?.tier ?? settings.defaultTier
        workspace.parentID = request.parentID
        workspace.budgetLimit = request.budgetLimit
        workspace.maxConcurrentTasks = request.maxConcurrentTasks.flatMap { $0 > 0 ? $0 : nil } ?? template?.maxConcurrentTasks ?? 1
        workspace.canvasX = request.canvasX
        workspace.canvasY = request.canvasY
        secrets = request.secrets
        secretFiles = request.secretFiles
        try TierPolicy.check(workspace.tier, allowed: settings.allowedTiers)
        try Self.checkEntries(request, template)
        if let limit = request.budgetLimit, limit < 0 { throw FieldRules.invalidField("budget_limit", "must not be negative") }
        workspace.image =
            external
            ? nil
            : try Self.image(
                of: runtime, asked: request.image?.nonEmpty ?? settings.imageOverrides[runtime], template: template, catalog)
        try takeDirectory(request)
    }

    private static func template(_ name: String?, in catalog: TemplateCatalog) throws -> Template? {
        guard let name = name?.nonEmpty else { return nil }
        if let template = catalog[name] { return template }
        if let problems = catalog.broken[name] {
            let lines = problems.map { JSONValue.string("line \($0.line), column \($0.column): \($0.message)") }
            throw Failure(
                .templateInvalid, "invalid template", next: "Mend templates/\(name)/config.yaml; `berth templates lint` shows where.",
                details: ["template": .string(name), "problems": .array(lines)])
        }
        throw Failure(
            .templateNotFound, "invalid template", next: "`berth templates list` names the templates of this daemon.",
            details: ["template": .string(String(name.prefix(100)))])
    }

    private static func runtime(_ request: CreateWorkspace, _ template: Template?, _ settings: ProvisionSettings) -> String {
        if request.external { return externalRuntime }
        return request.runtime?.nonEmpty ?? template?.runtime.nonEmpty ?? settings.defaultRuntime
    }

    /// What `asked` for, else the template's when it is of this runtime, else the runtime's own.
    static func image(of runtime: String, asked: String?, template: Template?, _ catalog: TemplateCatalog) throws -> String {
        let declaring = catalog.templates.filter { $0.runtime == runtime }
        guard !declaring.isEmpty || StockRuntimes.images[runtime] != nil else { throw unknown(runtime) }
        let matching = template?.runtime == runtime ? template?.image : nil
        let candidates = [asked, matching, StockRuntimes.images[runtime]] + declaring.map(\.image)
        guard let image = candidates.lazy.compactMap({ $0?.nonEmpty }).first else { throw unknown(runtime) }
        try FieldRules.checkImage(image)
        return image
    }

    private static func unknown(_ runtime: String) -> Failure {
        Failure(
            .runtimeUnknown, "unknown runtime: \(runtime)",
            next: "Use a runtime that a template declares, or give the template a runtime_config.image.",
            details: ["runtime": .string(runtime)])
    }

    private static func checkEntries(_ request: CreateWorkspace, _ template: Template?) throws {
        try FieldRules.checkEnvironment(request.secrets.keys, source: "secrets")
        try FieldRules.checkEnvironment((template?.environment ?? [:]).keys, source: "the template's env")
        try FieldRules.checkValues(request.secrets, source: "secrets")
        try FieldRules.checkSecretFiles(request.secretFiles)
    }

    /// A directory without an access mode is mounted for reading and writing; a mode without a directory is a mistake.
    private mutating func takeDirectory(_ request: CreateWorkspace) throws {
        let directory = request.workspaceDirectory?.nonEmpty
        let stated = request.workspaceAccess?.nonEmpty
        guard let access = stated.map({ WorkspaceAccess(rawValue: $0) }) ?? (directory == nil ? .some(.none) : .some(.readWrite)) else {
            throw Self.accessRefusal("must be none, read_only or read_write")
        }
        if access != .none, directory == nil { throw Self.accessRefusal("needs a workspace_dir") }
        if access != .none, !TierPolicy.mountsWorkspace(workspace.tier) {
            throw Self.accessRefusal("tier \(workspace.tier) mounts no directory")
        }
        workspace.workspaceDirectory = directory
        workspace.workspaceAccess = access
    }

    private static func accessRefusal(_ reason: String) -> Failure {
        Failure(
            .invalidField, "invalid workspace access", next: "workspace_access: \(reason)",
            details: ["field": "workspace_access", "reason": .string(reason)])
    }
}

extension String {
    /// The text without surrounding blanks; nil when nothing is left.
    var nonEmpty: String? {
        guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace }) else { return nil }
        return String(self[first...last])
    }
}
