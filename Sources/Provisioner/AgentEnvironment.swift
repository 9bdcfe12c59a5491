import Model

/// The environment of an agent's container. The platform's own entries come first; nothing given can carry their reserved names.
struct AgentEnvironment: Sendable {
    static let secretsDirectory = "/configs/.secrets"

    private let fixed: [EnvironmentVariable]
    private let assembled: [String: String]

    init(_ workspace: Workspace, template: Template?, secrets: WorkspaceSecrets, platformURL: String, awarenessURL: String?) {
        var fixed = [
            EnvironmentVariable("WORKSPACE_ID", workspace.id.text), EnvironmentVariable("WORKSPACE_CONFIG_PATH", "/configs"),
            EnvironmentVariable("PLATFORM_URL", platformURL), EnvironmentVariable("MOLECULE_URL", platformURL),
            EnvironmentVariable("TIER", String(workspace.tier)), EnvironmentVariable("PLUGINS_DIR", "/plugins"),
            EnvironmentVariable("PYTHONPATH", "/app"),
        ]
        if let parent = workspace.parentID { fixed.append(EnvironmentVariable("PARENT_ID", parent.text)) }
        if let awarenessURL = awarenessURL?.nonEmpty, !workspace.awarenessNamespace.isEmpty {
            fixed.append(EnvironmentVariable("AWARENESS_NAMESPACE", workspace.awarenessNamespace))
            fixed.append(EnvironmentVariable("AWARENESS_URL", awarenessURL))
        }
        self.fixed = fixed
        assembled = Self.assemble(workspace, template, secrets)
    }

    /// Later values win in the engine, so what is given may replace the platform's softer defaults (`PYTHONPATH`).
    var variables: [EnvironmentVariable] {
        fixed + assembled.sorted { $0.key < $1.key }.map { EnvironmentVariable($0.key, $0.value) }
    }

    /// The names of `required` that no source gives: neither a value, nor a file under `<NAME>_FILE`.
    func missing(of required: [String]) -> [String] {
        required.filter { name in
            [name, name + "_FILE"].allSatisfy { candidate in
                (assembled[candidate] ?? fixed.last { $0.name == candidate }?.value ?? "").isEmpty
            }
        }
    }

    private static func assemble(_ workspace: Workspace, _ template: Template?, _ secrets: WorkspaceSecrets) -> [String: String] {
        var map = template?.environment ?? [:]
        map.merge(secrets.environment) { _, secret in secret }
        for name in secrets.files.keys where FieldRules.isEnvironmentName(name) && map[name + "_FILE"] == nil {
            map[name + "_FILE"] = "\(secretsDirectory)/\(name)"
        }
        for (name, value) in gitIdentity(workspace.name) where map[name] == nil { map[name] = value }
        if workspace.runtime == "hermes", let model = workspace.model ?? map["MODEL_PROVIDER"], !model.isEmpty {
            map["HERMES_DEFAULT_MODEL"] = model
        }
        if let role = workspace.role, !role.isEmpty { map[PlatformEnvironment.role] = role }
        for name in PlatformEnvironment.reserved { map[name] = nil }
        return map
    }

    private static func gitIdentity(_ name: String) -> [String: String] {
        let letters = name.lowercased().unicodeScalars.map { scalar in
            (97...122).contains(scalar.value) || (48...57).contains(scalar.value) ? Character(scalar) : "-"
        }
        let slug = String(letters).split(separator: "-", omittingEmptySubsequences: true).joined(separator: "-")
        guard !slug.isEmpty else { return [:] }
        let author = "Molecule AI \(name)"
        let address = "\(slug)@agents.moleculesai.app"
        return ["GIT_AUTHOR_NAME": author, "GIT_COMMITTER_NAME": author, "GIT_AUTHOR_EMAIL": address, "GIT_COMMITTER_EMAIL": address]
    }
}
