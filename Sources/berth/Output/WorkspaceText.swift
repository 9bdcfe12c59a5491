import Model

/// Workspaces as people read them. Made from the API's JSON, so that fields this version does not know pass unharmed.
enum WorkspaceText {
    static func list(_ workspaces: [JSONValue]) -> String {
        guard !workspaces.isEmpty else { return "no workspaces" }
        return Table.text(
            ["id", "name", "status", "template", "runtime", "tier", "tasks"],
            workspaces.map { workspace in
                [
                    String((workspace["id"]?.string ?? "").prefix(8)), printable(workspace["name"]?.string ?? ""),
                    workspace["status"]?.string ?? "",
                    workspace["template"]?.string ?? "-", workspace["runtime"]?.string ?? "",
                    workspace["tier"]?.number?.text ?? "", workspace["active_tasks"]?.number?.text ?? "0",
                ]
            })
    }

    static func details(_ workspace: JSONValue) -> String {
        let names = [
            "id", "name", "status", "role", "template", "runtime", "model", "image", "tier", "external", "url", "parent_id", "generation",
            "active_tasks", "current_task", "hibernation_idle_minutes", "uptime_seconds", "last_heartbeat_at", "created_at", "updated_at",
        ]
        let fields = names.map { name in (name: name.replacing("_", with: " "), value: text(workspace[name])) }
        let failure = workspace["failure"].map { "\n\n" + self.failure($0) } ?? ""
        return Table.fields(fields) + failure
    }

    /// Why a workspace failed, with the last lines of its container.
    static func failure(_ failure: JSONValue) -> String {
        let head = Table.fields([
            ("failed", text(failure["message"])), ("code", text(failure["code"])), ("exit code", text(failure["exit_code"])),
            ("at", text(failure["at"])), ("next", text(failure["next"])),
        ])
        guard let tail = failure["log_tail"]?.string, !tail.isEmpty else { return head }
        let lines = tail.split(separator: "\n").map { "  | " + printable(String($0)) }
        return ([head, "last lines of its container:"] + lines).joined(separator: "\n")
    }

    /// nil for what says nothing.
    static func text(_ value: JSONValue?) -> String? {
        switch value {
        case .string(let text): text.isEmpty ? nil : printable(text)
        case .number(let number): number.text
        case .bool(let flag): flag ? "yes" : "no"
        case .null, .array, .object, nil: nil
        }
    }

    /// What agents and authors wrote must not steer the reader's terminal.
    static func printable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control && $0 != "\t" ? "\u{FFFD}" : $0 }))
    }
}
