import HTTP
import Model
import Proxy

/// Messages to agents. Rules: `docs/wire/a2a.md`.
struct MessageRoutes: Sendable {
    let proxy: AgentProxy

    var routes: [Route] {
        [Route(.post, "/workspaces/:id/a2a", at: [.people, .agents], for: .sender, serve: send)]
    }

    private func send(_ call: Call) async throws -> Response {
        let id = try call.workspaceID()
        let caller: Caller =
            switch call.visitor {
            case .person: .person
            case .agent(let sender, _): .workspace(sender)
            case .anonymous: throw Refusal.callerRequired
            }
        return await proxy.dispatch(to: id, from: caller, request: call.request)
    }
}
