import HTTP
import Model
import Registry

/// Where agents report. Who they are is judged by the registry, in the same step that changes the row. Rules: `docs/wire/registry.md`.
struct RegistryRoutes: Sendable {
    let registry: AgentRegistry
    let settings: APISettings

    var routes: [Route] {
        [
            report("/registry/register") { body, bearer in
                _ = try await registry.register(body, bearer: bearer)
                return "registered"
            },
            report("/registry/heartbeat") { body, bearer in
                _ = try await registry.heartbeat(body, bearer: bearer)
                return "ok"
            },
            report("/registry/update-card") { body, bearer in
                try await registry.updateCard(body, bearer: bearer)
                return "updated"
            },
        ]
    }

    private func report(_ path: String, _ accept: @escaping @Sendable (JSONValue, String?) async throws -> String) -> Route {
        Route(.post, path, at: [.people, .agents], for: .agentToken) { call in
            let body = try await call.request.json(limit: settings.bodyLimit)
            return .json(200, ["status": .string(try await accept(body, call.request.headers.bearer))])
        }
    }
}
