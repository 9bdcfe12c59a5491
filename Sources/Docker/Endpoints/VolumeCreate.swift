internal import HTTP
internal import Model

/// Maps to `POST /volumes/create`. A volume that exists is left as it is, with the labels it was made with.
struct VolumeCreate: EngineEndpoint {
    let name: String
    let labels: [String: String]

    var call: EngineCall {
        EngineCall(method: .post, path: "/volumes/create", body: .json(["Name": .string(name), "Labels": .labels(labels)]))
    }

    func answer(_ reply: EngineReply) {}

    func meaning(of status: Int) -> BackendError { .general(status, doing: "make a volume") }
}
