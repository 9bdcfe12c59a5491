internal import HTTP
internal import Model

/// Maps to `GET /volumes`, by labels.
struct VolumeList: EngineEndpoint {
    let labels: [String: String]

    var call: EngineCall { EngineCall(method: .get, path: "/volumes", query: [EngineCall.filters(labels: labels)]) }

    /// `Volumes` is null when there are none.
    func answer(_ reply: EngineReply) throws -> [VolumeFacts] {
        let volumes = try reply.json("its volumes")["Volumes"]?.array ?? []
        return volumes.compactMap(VolumeFacts.init).filter { volume in labels.allSatisfy { volume.labels[$0.key] == $0.value } }
            .sorted { $0.name < $1.name }
    }

    func meaning(of status: Int) -> BackendError { .general(status, doing: "list volumes") }
}

extension VolumeFacts {
    fileprivate init?(_ json: JSONValue) {
        guard let name = json["Name"]?.string else { return nil }
        self.init(
            name: name, labels: json["Labels"]?.strings ?? [:], createdAt: json["CreatedAt"]?.string.flatMap { Timestamp(rfc3339: $0) })
    }
}
