import HTTP
import Model

/// Whether the process lives, and whether it can serve.
struct HealthRoutes: Sendable {
    let settings: APISettings
    let runners: [ProbeRunner]

    init(_ services: APIServices, _ settings: APISettings) {
        self.settings = settings
        runners = services.probes.map { ProbeRunner($0, clock: services.clock) }
    }

    var routes: [Route] {
        [
            Route(.get, "/health", for: .open) { _ in .json(200, ["status": "ok"]) },
            Route(.get, "/healthz", at: [.people, .agents], for: .open) { _ in
                .json(200, ["status": "ok", "version": .string(settings.version)])
            },
            Route(.get, "/readyz", for: .open) { _ in await ready() },
        ]
    }

    private func ready() async -> Response {
        let results = await withTaskGroup(of: (Int, ReadinessResult).self) { group in
            for (index, runner) in runners.enumerated() { group.addTask { (index, await runner.result()) } }
            return await group.reduce(into: [Int: ReadinessResult]()) { $0[$1.0] = $1.1 }
        }
        var allGood = true
        var checks: [JSONValue] = []
        for (index, runner) in runners.enumerated() {
            switch results[index] {
            case .ok: checks.append(["name": .string(runner.name), "status": "ok"])
            case .failing(let code, let message):
                allGood = false
                checks.append([
                    "name": .string(runner.name), "status": "failing", "code": .string(code.rawValue), "error": .string(message),
                ])
            case nil: allGood = false
            }
        }
        return .json(allGood ? 200 : 503, ["status": allGood ? "ready" : "not_ready", "checks": .array(checks)])
    }
}
