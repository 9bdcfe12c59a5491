internal import HTTP
internal import Model

/// Maps to `GET /networks`, by labels.
struct NetworkList: EngineEndpoint {
    struct Found: Sendable, Hashable {
        let id: String
        let name: String
        let createdAt: Timestamp?
    }

    let labels: [String: String]

    var call: EngineCall { EngineCall(method: .get, path: "/networks", query: [EngineCall.filters(labels: labels)]) }

    /// Oldest first: several may carry one name, and every caller must pick the same.
    func answer(_ reply: EngineReply) throws -> [Found] {
        let found = try reply.json("its networks").array?.compactMap { network -> Found? in
            guard let id = network["Id"]?.string, let name = network["Name"]?.string else { return nil }
            return Found(id: id, name: name, createdAt: network["Created"]?.string.flatMap { Timestamp(rfc3339: $0) })
        }
        return (found ?? []).sorted { ($0.createdAt?.microseconds ?? 0, $0.id) < ($1.createdAt?.microseconds ?? 0, $1.id) }
    }

    func meaning(of status: Int) -> BackendError { .general(status, doing: "list networks") }
}
