import HTTP
import Model

/// `berth orphans list`.
struct OrphanListCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let report = try await context.daemon.get("/admin/orphans")
        if context.json { context.output.json(report) } else { context.output.line(OrphanText.report(report)) }
        return .ok
    }
}

/// `berth orphans adopt`, `restore`, `confirm` and `purge`.
struct OrphanActCommand {
    let context: Context
    let act: OrphanAct

    init(_ context: Context, _ act: OrphanAct) {
        self.context = context
        self.act = act
    }

    func run() async throws -> ExitCode {
        let ids = try await ids()
        let dryRun = context.invocation.has("--dry-run")
        if act == .purge, !dryRun { try confirm(ids) }
        var body: JSONObject = ["dry_run": .bool(dryRun)]
        if let ids { body["ids"] = .array(ids.map(JSONValue.string)) }
        let answer = try await context.daemon.call(.post, "/admin/orphans/\(act.rawValue)", body: .object(body))
        if context.json { context.output.json(answer) } else { context.output.line(OrphanText.outcomes(answer)) }
        return (answer["failed"]?.int ?? 0) == 0 ? .ok : .failed
    }

    /// nil stands for all of them, which must be said.
    private func ids() async throws -> [String]? {
        let named = context.invocation.operands("ORPHAN")
        let all = context.invocation.has("--all")
        guard named.isEmpty == all else {
            let next = all ? "give either orphans or --all" : "name orphans, or give --all for every one"
            throw CommandError.usage(next, of: context.invocation.command)
        }
        if all { return nil }
        if named.allSatisfy({ WorkspaceID($0) != nil }) { return named }
        let known = try await context.daemon.get("/admin/orphans")["orphans"]?.array ?? []
        return try named.map { text in
            if let id = WorkspaceID(text) { return id.text }
            return try WorkspaceReference.pick(text, from: known, kind: .orphan)["id"]?.string ?? ""
        }
    }

    private func confirm(_ ids: [String]?) throws {
        if context.invocation.has("--yes") { return }
        guard context.output.canAsk else {
            throw CommandError(
                .usage, code: "not_confirmed", "a purge removes volumes for good, and nobody can be asked here",
                next: "Look with --dry-run, then repeat with --yes.")
        }
        let what = ids.map { "\($0.count) orphan\($0.count == 1 ? "" : "s")" } ?? "every quarantined orphan"
        guard context.output.ask("Remove \(what) with all volumes, for good?") else {
            throw CommandError(.failed, code: "not_confirmed", "nothing was removed", next: "Answer y, or give --yes.")
        }
    }
}

/// `berth audit`.
struct AuditCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let query = try [("--after", "after"), ("--limit", "limit")].compactMap { option, key in
            try context.invocation.number(option).map { "\(key)=\($0)" }
        }
        let answer = try await context.daemon.get("/admin/audit" + (query.isEmpty ? "" : "?" + query.joined(separator: "&")))
        if context.json { context.output.json(answer) } else { context.output.line(OrphanText.audit(answer["events"]?.array ?? [])) }
        return .ok
    }
}
