internal import HTTP
internal import Model

/// Maps to `GET /containers/{id}/json`. nil when there is none.
struct ContainerInspect: EngineEndpoint {
    struct Found: Sendable, Hashable {
        let facts: ContainerFacts
        /// Whether its output comes raw instead of in frames.
        var hasTerminal: Bool { json["Config"]?["Tty"]?.bool ?? false }
        var details: ContainerDetails { ContainerDetails(facts: facts, inspected: json) }
        fileprivate let json: JSONValue
    }

    let id: String

    var call: EngineCall { EngineCall(method: .get, path: "/containers/\(EngineCall.component(id))/json") }
    var accepted: Set<Int> { [200, 404] }

    func answer(_ reply: EngineReply) throws -> Found? {
        guard reply.status == 200 else { return nil }
        let json = try reply.json("a container")
        guard let facts = ContainerFacts(inspected: json) else { throw EngineError.unreadable("a container", body: reply.body) }
        return Found(facts: facts, json: json)
    }

    func meaning(of status: Int) -> BackendError { .general(status, doing: "inspect the container") }
}
