import Model

/// Orphans as people read them.
enum OrphanText {
    static func report(_ report: JSONValue) -> String {
        let orphans = report["orphans"]?.array ?? []
        var parts: [String] = []
        if let banner = report["banner"]?.string { parts.append(self.banner(banner)) }
        if let until = report["hold_until"]?.string { parts.append("nothing is touched before \(until)") }
        if report["mode"]?.string == "off" { parts.append("ORPHAN_SWEEP_MODE is off: nobody looks for orphans") }
        parts.append(orphans.isEmpty ? "no orphans" : table(orphans))
        let strangers = report["strangers"]?.array ?? []
        if !strangers.isEmpty { parts.append("not ours, never touched:\n" + strangerTable(strangers)) }
        return parts.joined(separator: "\n\n")
    }

    static func banner(_ text: String) -> String { "ATTENTION: " + WorkspaceText.printable(text) }

    private static func table(_ orphans: [JSONValue]) -> String {
        Table.text(
            ["id", "name", "state", "cause", "runs", "volumes", "next"],
            orphans.map { orphan in
                let next = [orphan["next_at"]?.string, orphan["next"]?.string].compactMap(\.self).joined(separator: " ")
                return [
                    shortID(orphan), name(orphan), orphan["state"]?.string ?? "", orphan["cause"]?.string ?? "",
                    orphan["running"]?.bool == true ? "yes" : "no", String(orphan["volumes"]?.array?.count ?? 0),
                    WorkspaceText.printable(next),
                ]
            })
    }

    private static func strangerTable(_ strangers: [JSONValue]) -> String {
        Table.text(
            ["container", "name", "state", "instance"],
            strangers.map { stranger in
                [
                    String((stranger["container_id"]?.string ?? "").prefix(12)), name(stranger), stranger["state"]?.string ?? "",
                    WorkspaceText.printable(stranger["instance"]?.string ?? "-"),
                ]
            })
    }

    static func outcomes(_ answer: JSONValue) -> String {
        let outcomes = answer["outcomes"]?.array ?? []
        guard !outcomes.isEmpty else { return "there is nothing to do" }
        let table = Table.text(["id", "name", "result"], outcomes.map { [shortID($0), name($0), result($0)] })
        return table + (answer["dry_run"]?.bool == true ? "\n\ndry run: nothing was changed" : "")
    }

    private static func result(_ outcome: JSONValue) -> String {
        guard let error = outcome["error"]?.string else { return WorkspaceText.printable(outcome["did"]?.string ?? "") }
        let next = outcome["next"]?.string.map { " - " + $0 } ?? ""
        return WorkspaceText.printable("failed: \(error) (\(outcome["code"]?.string ?? "?"))" + next)
    }

    static func audit(_ events: [JSONValue]) -> String {
        guard !events.isEmpty else { return "nothing was recorded" }
        return Table.text(
            ["number", "at", "event", "workspace", "facts"],
            events.map { event in
                [
                    event["sequence"]?.number?.text ?? "", event["at"]?.string ?? "", event["event"]?.string ?? "",
                    event["workspace_id"]?.string.map { String($0.prefix(8)) } ?? "-",
                    WorkspaceText.printable(event["payload"]?.text ?? ""),
                ]
            })
    }

    /// `2 found, 1 quarantined`; nil when there are none.
    static func summary(_ report: JSONValue) -> String? {
        let states = (report["orphans"]?.array ?? []).compactMap { $0["state"]?.string }
        guard !states.isEmpty else { return nil }
        return Set(states).sorted().map { state in "\(states.count { $0 == state }) \(state)" }.joined(separator: ", ")
    }

    private static func shortID(_ value: JSONValue) -> String { String((value["id"]?.string ?? "").prefix(8)) }
    private static func name(_ value: JSONValue) -> String { WorkspaceText.printable(value["name"]?.string ?? "") }
}
