import Model

/// One `config.yaml`, read: what it declares, and what is wrong with it.
struct TemplateReading {
    /// What could be read, also when there are errors: the timeout of a runtime must not hang on a typing error elsewhere.
    var template: Template
    var problems: [TemplateProblem]
    /// Whether the template can be used to create a workspace.
    var isUsable: Bool { !problems.contains { $0.severity == .error } }
}

/// Reads `config.yaml` into a `Template`. `docs/templates.md` is the table of keys for authors.
struct TemplateReader {
    /// Longer provision timeouts are cut to this.
    static let longestProvisionTimeoutSeconds = 6 * 3600
    static let taskLimits = 1...64

    /// Runtimes that need no image of their own.
    let knownRuntimes: Set<String>

    func read(_ bytes: [UInt8], id: String, directory: String, file: String) -> TemplateReading {
        var template = Template(id: id, directory: directory)
        var fields = TemplateFields(file: file)
        do throws(YAMLError) {
            let root = try YAMLDocument.read(bytes)
            if root == nil { fields.report(.warning, at: YAMLPosition(line: 1, column: 1), key: "", "the file declares nothing") }
            if let root = fields.mapping(root, "config.yaml") { fill(&template, from: root, &fields) }
        } catch {
            fields.report(.error, at: error.position, key: "", error.reason)
        }
        template.warnings = fields.problems.filter { $0.severity == .warning }
        return TemplateReading(template: template, problems: fields.problems)
    }

    private func fill(_ template: inout Template, from root: YAMLNode, _ fields: inout TemplateFields) {
        let runtimeConfig = fields.mapping(root["runtime_config"], "runtime_config")
        template.name = nonEmpty(fields.string(root["name"], "name")) ?? template.id
        template.description = fields.string(root["description"], "description") ?? ""
        _ = fields.string(root["version"], "version")
        template.tier = fields.int(root["tier"], "tier", in: 1...4)
        template.runtime = fields.string(root["runtime"], "runtime") ?? ""
        template.skills = fields.strings(root["skills"], "skills")
        template.environment = environment(fields.mapping(root["env"], "env"), &fields)

        let nestedModel = fields.string(runtimeConfig?["model"], "runtime_config.model")
        template.model = nonEmpty(fields.string(root["model"], "model")) ?? nonEmpty(nestedModel)
        template.models = models(runtimeConfig?["models"], &fields)
        template.requiredEnv = fields.strings(runtimeConfig?["required_env"], "runtime_config.required_env")
        template.provisionTimeoutSeconds = provisionTimeout(runtimeConfig?["provision_timeout_seconds"], &fields)
        _ = fields.int(runtimeConfig?["timeout"], "runtime_config.timeout", severity: .warning)

        let nestedTasks = fields.int(runtimeConfig?["max_concurrent_tasks"], "runtime_config.max_concurrent_tasks", in: Self.taskLimits)
        template.maxConcurrentTasks = fields.int(root["max_concurrent_tasks"], "max_concurrent_tasks", in: Self.taskLimits) ?? nestedTasks
        let topImage = nonEmpty(fields.string(root["image"], "image"))
        template.image = nonEmpty(fields.string(runtimeConfig?["image"], "runtime_config.image")) ?? topImage
        checkRuntime(of: template, root, &fields)
    }

    private func nonEmpty(_ text: String?) -> String? { text.flatMap { $0.isEmpty ? nil : $0 } }

    private func models(_ node: YAMLNode?, _ fields: inout TemplateFields) -> [TemplateModel] {
        var models: [TemplateModel] = []
        for (index, item) in fields.items(node, "runtime_config.models").enumerated() {
            let key = "runtime_config.models[\(index)]"
            guard let entry = fields.mapping(item, key) else { continue }
            let name = fields.string(entry["name"], "\(key).name")
            let requiredEnv = fields.strings(entry["required_env"], "\(key).required_env")
            guard let id = nonEmpty(fields.string(entry["id"], "\(key).id")) else {
                fields.report(.error, at: entry.position, key: key, "\(key) needs an id")
                continue
            }
            models.append(TemplateModel(id: id, name: name, requiredEnv: requiredEnv))
        }
        return models
    }

    /// `NAME: value` pairs. The lists `required` and `optional` of stock files are for the runtime and set nothing.
    private func environment(_ node: YAMLNode?, _ fields: inout TemplateFields) -> [String: String] {
        var environment: [String: String] = [:]
        for entry in node?.entries ?? [] {
            if case .sequence = entry.value.content, ["required", "optional"].contains(entry.key) { continue }
            guard Self.isVariableName(entry.key) else {
                fields.report(
                    .error, at: entry.keyPosition, key: "env.\(entry.key)", "\"\(entry.key)\" cannot be the name of an environment variable"
                )
                continue
            }
            if let value = fields.string(entry.value, "env.\(entry.key)") { environment[entry.key] = value }
        }
        return environment
    }

    private static func isVariableName(_ name: String) -> Bool {
        guard let first = name.first, !first.isNumber else { return false }
        return name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
    }

    /// A value that cannot be a timeout is skipped with a warning: the runtime keeps its usual one.
    private func provisionTimeout(_ node: YAMLNode?, _ fields: inout TemplateFields) -> Int? {
        let key = "runtime_config.provision_timeout_seconds"
        guard let node, let seconds = fields.int(node, key) else { return nil }
        guard seconds > 0 else {
            fields.report(
                .warning, at: node.position, key: key, "\(seconds) is no timeout and is ignored: give the seconds a provision may take")
            return nil
        }
        guard seconds <= Self.longestProvisionTimeoutSeconds else {
            fields.report(.warning, at: node.position, key: key, "\(seconds) is cut to \(Self.longestProvisionTimeoutSeconds) (6 hours)")
            return Self.longestProvisionTimeoutSeconds
        }
        return seconds
    }

    private func checkRuntime(of template: Template, _ root: YAMLNode, _ fields: inout TemplateFields) {
        guard let node = root["runtime"], !template.runtime.isEmpty else {
            let place = root["runtime"]?.position ?? root.position
            if root["runtime"]?.text != nil || root["runtime"] == nil {
                fields.report(
                    .warning, at: place, key: "runtime", "no runtime is named: whoever creates a workspace from this must name one")
            }
            return
        }
        guard template.image == nil, !knownRuntimes.contains(template.runtime) else { return }
        let known = knownRuntimes.sorted().joined(separator: ", ")
        fields.report(
            .error, at: node.position, key: "runtime",
            "the runtime \"\(template.runtime)\" is unknown and no image is named: add runtime_config.image, or use one of \(known)")
    }
}
