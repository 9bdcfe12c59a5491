internal import HTTP
internal import Model

/// Maps to `POST /containers/{id}/wait?condition=removed`: answers when the container is gone.
struct ContainerWait: EngineEndpoint {
    let id: String

    var call: EngineCall {
        EngineCall(
            method: .post, path: "/containers/\(EngineCall.component(id))/wait", query: [("condition", "removed")], patience: .creating)
    }
    var accepted: Set<Int> { [200, 404] }

    func answer(_ reply: EngineReply) {}

    func meaning(of status: Int) -> BackendError { .general(status, doing: "remove the container", .stopFailed) }
}
