import Model

/// `berth status`.
struct StatusCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let daemon = context.daemon
        let health = try await daemon.get("/healthz")
        let ready = try await daemon.exchange(.get, "/readyz")
        let workspaces = try await daemon.get("/workspaces").array ?? []
        let counts = Self.counts(workspaces)
        let supervision = await Supervision(daemon)
        if context.json {
            var byStatus = JSONObject()
            for (status, count) in counts { byStatus[status] = .int(count) }
            context.output.json([
                "url": .string(daemon.baseURL), "version": health["version"] ?? .null, "ready": .bool(ready.status == 200),
                "checks": ready.body?["checks"] ?? [], "workspaces": .object(byStatus),
                "banner": .optional(supervision.banner), "loops": supervision.liveness?["subsystems"] ?? .null,
                "orphans": supervision.orphans?["orphans"] ?? .null,
            ])
        } else {
            if let banner = supervision.banner { context.output.line(OrphanText.banner(banner) + "\n") }
            let checks = ready.body?["checks"]?.array ?? []
            context.output.line(Self.text(daemon.baseURL, health, ready.status == 200, checks, supervision, counts))
        }
        return ready.status == 200 ? .ok : .failed
    }

    static func counts(_ workspaces: [JSONValue]) -> [(status: String, count: Int)] {
        let statuses = workspaces.compactMap { $0["status"]?.string }
        return Set(statuses).sorted().map { status in (status, statuses.count { $0 == status }) }
    }

    private static func text(
        _ url: String, _ health: JSONValue, _ ready: Bool, _ checks: [JSONValue], _ supervision: Supervision,
        _ counts: [(status: String, count: Int)]
    ) -> String {
        let summary = counts.isEmpty ? "none" : counts.map { "\($0.count) \($0.status)" }.joined(separator: ", ")
        let fields: [(name: String, value: String?)] = [
            ("daemon", "berthd \(health["version"]?.string ?? "?") at \(url)"), ("ready", ready ? "yes" : "no"), ("workspaces", summary),
        ]
        let lines = checks.map { check -> (name: String, value: String?) in
            (
                "  " + (check["name"]?.string ?? "?"),
                [check["status"]?.string, check["error"]?.string].compactMap(\.self).joined(separator: ": ")
            )
        }
        let orphans = supervision.orphanSummary.map { [(name: "orphans", value: Optional($0))] } ?? []
        return Table.fields([fields[0], fields[1]] + lines + loops(supervision) + orphans + [fields[2]])
    }

    private static func loops(_ supervision: Supervision) -> [(name: String, value: String?)] {
        let loops = supervision.loops
        guard !loops.isEmpty else { return [] }
        let stale = loops.count(where: \.stale)
        let head = stale == 0 ? "\(loops.count) running" : "\(stale) of \(loops.count) do not run as they should"
        return [("loops", head)] + loops.map { ("  " + $0.name, $0.text) }
    }
}

/// What the daemon says of its own loops and of what it found without an owner. What it does not say is left out.
struct Supervision {
    struct Loop {
        let name: String
        let stale: Bool
        let restarts: Int
        let lastError: String?
        let text: String

        init(_ name: String, _ facts: JSONValue) {
            self.name = name
            stale = facts["stale"]?.bool == true
            restarts = facts["restarts"]?.int ?? 0
            lastError = facts["last_error"]?.string
            let last = facts["seconds_ago"]?.int.map { "last round \($0) s ago" } ?? "no round yet"
            let again = restarts == 0 ? nil : "started again \(restarts) time\(restarts == 1 ? "" : "s")"
            let error = lastError.map { "last error: " + WorkspaceText.printable($0) }
            text = [stale ? "stale" : nil, last, again, error].compactMap(\.self).joined(separator: ", ")
        }
    }

    let liveness: JSONValue?
    let orphans: JSONValue?

    /// Neither is worth failing for: status and doctor show what they can.
    init(_ daemon: DaemonClient) async {
        liveness = try? await daemon.get("/admin/liveness")
        orphans = try? await daemon.get("/admin/orphans")
    }

    var banner: String? { orphans?["banner"]?.string ?? liveness?["banner"]?.string }
    var loops: [Loop] { (liveness?["subsystems"]?.object?.members ?? []).map { Loop($0.key, $0.value) } }
    var orphanSummary: String? {
        orphans.flatMap { report in
            let hold = report["hold_until"]?.string.map { "; held until \($0)" } ?? ""
            return OrphanText.summary(report).map { $0 + hold + ": berth orphans list" }
        }
    }
}
