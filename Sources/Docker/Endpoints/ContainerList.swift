internal import HTTP
internal import Model

/// Maps to `GET /containers/json`, in any state, by labels; without any, all there are. A list entry has no exit code and no start time.
struct ContainerList: EngineEndpoint {
    let labels: [String: String]

    var call: EngineCall {
        let filters = labels.isEmpty ? [] : [EngineCall.filters(labels: labels)]
        return EngineCall(method: .get, path: "/containers/json", query: [("all", "1")] + filters)
    }

    func answer(_ reply: EngineReply) throws -> [ContainerFacts] {
        guard let entries = try reply.json("its containers").array else { throw EngineError.unreadable("its containers", body: reply.body) }
        return entries.compactMap { ContainerFacts(listed: $0) }.filter { facts in labels.allSatisfy { facts.labels[$0.key] == $0.value } }
    }

    func meaning(of status: Int) -> BackendError { .general(status, doing: "list containers") }
}
