internal import HTTP
internal import Model

/// Maps to `POST /containers/{id}/stop?t=0`: kills it, waits for its end, and keeps its restart policy from starting it again.
/// One that is not running, or gone, is success.
struct ContainerStop: EngineEndpoint {
    let id: String

    var call: EngineCall {
        EngineCall(method: .post, path: "/containers/\(EngineCall.component(id))/stop", query: [("t", "0")], patience: .creating)
    }
    var accepted: Set<Int> { [204, 304, 404] }

    func answer(_ reply: EngineReply) {}

    func meaning(of status: Int) -> BackendError { .general(status, doing: "stop the container", .stopFailed) }
}
