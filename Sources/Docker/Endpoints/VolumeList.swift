internal import HTTP
internal import Model

/// Maps to `GET /volumes`, by labels: the names.
struct VolumeList: EngineEndpoint {
    let labels: [String: String]

    var call: EngineCall { EngineCall(method: .get, path: "/volumes", query: [EngineCall.filters(labels: labels)]) }

    /// `Volumes` is null when there are none.
    func answer(_ reply: EngineReply) throws -> [String] {
        let volumes = try reply.json("its volumes")["Volumes"]?.array ?? []
        return volumes.filter { volume in
            let found = volume["Labels"]?.strings ?? [:]
            return labels.allSatisfy { found[$0.key] == $0.value }
        }.compactMap { $0["Name"]?.string }.sorted()
    }

    func meaning(of status: Int) -> BackendError { .general(status, doing: "list volumes") }
}
