import Model

/// The keys a `config.yaml` may have. An unknown key is ignored when a workspace is made; the lint warns, because it is often a typing error.
/// Keys that begin with `x-` or `.` are the author's own, for example to hold anchors.
enum TemplateKeys {
    static let top: Set<String> = [
        "name", "description", "version", "tier", "runtime", "model", "skills", "image", "env", "runtime_config", "max_concurrent_tasks",
        "handler", "observability", "a2a", "shared_context", "sub_workspaces", "prompt_files", "tools", "initial_prompt",
        "initial_prompt_file", "idle_prompt", "idle_interval_seconds", "memory", "delegation", "sandbox", "category_routing", "plugins",
        "rbac", "template_schema_version", "governance", "security_scan", "compliance", "effort", "task_budget",
    ]

    /// What lies under `runtime_config` belongs to the runtime too: only near misses of our own keys are reported.
    static let runtimeConfig: Set<String> = [
        "model", "models", "required_env", "provision_timeout_seconds", "timeout", "image", "max_concurrent_tasks",
    ]

    static func unknown(in root: YAMLNode, file: String) -> [TemplateProblem] {
        var fields = TemplateFields(file: file)
        for entry in root.entries where !top.contains(entry.key) && !entry.key.hasPrefix("x-") && !entry.key.hasPrefix(".") {
            let hint = nearest(to: entry.key, in: top).map { ": did you mean \($0)?" } ?? ""
            fields.report(.warning, at: entry.keyPosition, key: entry.key, "the key \"\(entry.key)\" is not known and is ignored\(hint)")
        }
        for entry in root["runtime_config"]?.entries ?? [] where !runtimeConfig.contains(entry.key) {
            guard let meant = nearest(to: entry.key, in: runtimeConfig) else { continue }
            let key = "runtime_config.\(entry.key)"
            fields.report(.warning, at: entry.keyPosition, key: key, "the key \"\(key)\" is not known: did you mean \(meant)?")
        }
        return fields.problems
    }

    /// The known key at most two typing errors away.
    private static func nearest(to key: String, in known: Set<String>) -> String? {
        let ranked = known.map { (distance(key, $0), $0) }.min { $0 < $1 }
        guard let (distance, name) = ranked, distance <= min(2, key.count / 3) else { return nil }
        return name
    }

    /// Letters to insert, remove or change.
    private static func distance(_ left: String, _ right: String) -> Int {
        let right = Array(right)
        var row = Array(0...right.count)
        for (i, letter) in left.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, other) in right.enumerated() {
                let cost = letter == other ? diagonal : min(diagonal, row[j], row[j + 1]) + 1
                diagonal = row[j + 1]
                row[j + 1] = cost
            }
        }
        return row[right.count]
    }
}
