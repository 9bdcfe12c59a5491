import Model

/// What stands in `/configs` before an agent's first instruction runs.
enum ConfigFiles {
    /// The template's files, a generated `config.yaml` when the template brings none, the token and the secret files.
    static func all(_ workspace: Workspace, template: [ContainerFile], token: String, secretFiles: [String: String]) -> [ContainerFile] {
        var files = template.filter { !isOurs($0.path) }
        if !files.contains(where: { $0.path == "config.yaml" && !$0.bytes.isEmpty }) {
            files.removeAll { $0.path == "config.yaml" }
            files.append(ContainerFile(path: "config.yaml", bytes: Array(generated(workspace).utf8)))
        }
        files.append(ContainerFile(path: ".auth_token", bytes: Array(token.utf8), mode: 0o600))
        for (name, value) in secretFiles.sorted(by: { $0.key < $1.key }) {
            files.append(ContainerFile(path: ".secrets/\(name)", bytes: Array(value.utf8), mode: 0o600))
        }
        return files
    }

    /// Of `files`, what every start brings: the token and the secret files.
    static func credentials(in files: [ContainerFile]) -> [ContainerFile] { files.filter { isOurs($0.path) } }

    private static func isOurs(_ path: String) -> Bool { path == ".auth_token" || path == ".secrets" || path.hasPrefix(".secrets/") }

    /// The `config.yaml` of a workspace whose template has none.
    static func generated(_ workspace: Workspace) -> String {
        var lines = [
            "name: \(quoted(workspace.name))", "description: \(quoted(workspace.role ?? ""))", "version: 1.0.0", "tier: \(workspace.tier)",
            "runtime: \(quoted(workspace.runtime))", "model: \(quoted(workspace.model ?? defaultModel(workspace.runtime)))",
        ]
        if !["langgraph", "deepagents"].contains(workspace.runtime) { lines += ["runtime_config:", "  timeout: 0"] }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func defaultModel(_ runtime: String) -> String {
        switch runtime {
        case "claude-code": "sonnet"
        case "echo": "echo"
        default: "anthropic:claude-opus-4-7"
        }
    }

    /// A double-quoted YAML scalar on one line.
    private static func quoted(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\"": escaped += "\\\""
            case "\r": continue
            case "\n": escaped += " "
            case "\t": escaped += "\\t"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return "\"\(escaped)\""
    }
}
