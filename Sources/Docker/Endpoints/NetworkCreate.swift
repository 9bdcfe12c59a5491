internal import HTTP
internal import Model

/// Maps to `POST /networks/create`. nil when the name is taken: without `CheckDuplicate` old engines make a second one of that name.
struct NetworkCreate: EngineEndpoint {
    let name: String
    let labels: [String: String]

    var call: EngineCall {
        let body: JSONValue = ["Name": .string(name), "Driver": "bridge", "CheckDuplicate": true, "Labels": .labels(labels)]
        return EngineCall(method: .post, path: "/networks/create", body: .json(body))
    }
    var accepted: Set<Int> { [200, 201, 409] }

    func answer(_ reply: EngineReply) throws -> String? {
        guard reply.status != 409 else { return nil }
        guard let id = try reply.json("a new network")["Id"]?.string else {
            throw EngineError.unreadable("a new network", body: reply.body)
        }
        return id
    }

    func meaning(of status: Int) -> BackendError {
        // 403: the range overlaps another one. 404: no range is left. Neither is about something missing.
        guard status == 403 || status == 404 else { return .general(status, doing: "make the workspace network") }
        return BackendError(
            .refused, .engineError, "The Docker engine has no address range left for the workspace network.",
            next: "Remove networks that nobody uses (`docker network prune`), or give the engine larger address pools.")
    }
}
