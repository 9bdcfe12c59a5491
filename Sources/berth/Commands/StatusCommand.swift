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
        if context.json {
            var byStatus = JSONObject()
            for (status, count) in counts { byStatus[status] = .int(count) }
            context.output.json([
                "url": .string(daemon.baseURL), "version": health["version"] ?? .null, "ready": .bool(ready.status == 200),
                "checks": ready.body?["checks"] ?? [], "workspaces": .object(byStatus),
            ])
        } else {
            context.output.line(Self.text(daemon.baseURL, health, ready.status == 200, ready.body?["checks"]?.array ?? [], counts))
        }
        return ready.status == 200 ? .ok : .failed
    }

    static func counts(_ workspaces: [JSONValue]) -> [(status: String, count: Int)] {
        let statuses = workspaces.compactMap { $0["status"]?.string }
        return Set(statuses).sorted().map { status in (status, statuses.count { $0 == status }) }
    }

    private static func text(
        _ url: String, _ health: JSONValue, _ ready: Bool, _ checks: [JSONValue], _ counts: [(status: String, count: Int)]
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
        return Table.fields([fields[0], fields[1]] + lines + [fields[2]])
    }
}
