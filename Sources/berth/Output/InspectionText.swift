import Model

/// What the engine has of a workspace, as people read it.
enum InspectionText {
    static func details(_ inspection: JSONValue) -> String {
        let head = Table.fields([
            ("id", text(inspection["id"])), ("name", text(inspection["name"])), ("status", text(inspection["status"])),
            ("cause", text(inspection["cause"])), ("should be", text(inspection["desired_state"])),
            ("is", text(inspection["actual_state"])), ("generation", text(inspection["generation"])),
            ("tier", text(inspection["tier"])), ("volumes", list(inspection["volumes"])),
        ])
        let container = inspection["container"].flatMap { $0.isNull ? nil : $0 }.map { "container:\n" + self.container($0) }
        return [head, container, drift(inspection["drift"]?.array ?? [])].compactMap(\.self).joined(separator: "\n\n")
    }

    private static func container(_ container: JSONValue) -> String {
        let limits = container["limits"]
        var fields: [(name: String, value: String?)] = [
            ("  id", text(container["id"])), ("  name", text(container["name"])), ("  exit code", text(container["exit_code"])),
            ("  out of memory", container["oom_killed"]?.bool == true ? "yes" : nil),
            ("  restarts", text(container["restart_count"])), ("  error", text(container["error"])),
            ("  created", text(container["created_at"])), ("  started", text(container["started_at"])),
            ("  finished", text(container["finished_at"])), ("  image", text(container["image"]?["name"])),
            ("  image id", text(container["image"]?["id"])), ("  digests", list(container["image"]?["digests"])),
            ("  memory", limits?["memory_bytes"]?.int.flatMap { $0 > 0 ? Human.size($0) : nil }),
            ("  cpus", limits?["nano_cpus"]?.double.flatMap { $0 > 0 ? JSONNumber($0 / 1e9).text : nil }),
            ("  pids", text(limits?["pids"])), ("  restart policy", text(container["restart_policy"])),
        ]
        fields += (container["mounts"]?.array ?? []).map { ("  mount", mount($0)) }
        fields += (container["ports"]?.array ?? []).map { ("  port", port($0)) }
        fields += (container["labels"]?.object?.members ?? []).map {
            ("  label", "\(WorkspaceText.printable($0.key))=\(text($0.value) ?? "")")
        }
        fields.append(("  environment", list(container["environment"])))
        return Table.fields(fields)
    }

    private static func mount(_ mount: JSONValue) -> String {
        let (type, target) = (text(mount["type"]) ?? "?", text(mount["target"]) ?? "?")
        let source = text(mount["source"]).map { "\($0) at " } ?? ""
        return "\(type) \(source)\(target)" + (mount["read_only"]?.bool == true ? " (read only)" : "")
    }

    private static func port(_ port: JSONValue) -> String {
        "\(text(port["container"]) ?? "?") at \(text(port["host_address"]) ?? "?"):\(text(port["host_port"]) ?? "?")"
    }

    private static func drift(_ drift: [JSONValue]) -> String {
        guard !drift.isEmpty else { return "nothing differs from what it should be" }
        let rows = drift.map { [text($0["field"]) ?? "", text($0["wanted"]) ?? "", text($0["actual"]) ?? ""] }
        return "differs:\n" + Table.text(["what", "should be", "is"], rows)
    }

    static func operations(_ operations: [JSONValue]) -> String {
        guard !operations.isEmpty else { return "nothing was done yet" }
        return Table.text(
            ["number", "what", "state", "asked", "ended", "why"],
            operations.map { operation in
                let position = operation["position"]?.int.map { ", number \($0) in line" } ?? ""
                let why = [text(operation["code"]), text(operation["reason"])].compactMap(\.self).joined(separator: ": ")
                return [
                    text(operation["id"]) ?? "", text(operation["kind"]) ?? "", (text(operation["state"]) ?? "") + position,
                    text(operation["requested_at"]) ?? "", text(operation["ended_at"]) ?? "-", why.isEmpty ? "-" : why,
                ]
            })
    }

    private static func list(_ value: JSONValue?) -> String? {
        let items = (value?.array ?? []).compactMap { text($0) }
        return items.isEmpty ? nil : items.joined(separator: ", ")
    }

    private static func text(_ value: JSONValue?) -> String? { value.flatMap(WorkspaceText.text) }
}
