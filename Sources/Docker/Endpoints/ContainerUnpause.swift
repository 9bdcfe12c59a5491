internal import HTTP
internal import Model

/// Maps to `POST /containers/{id}/unpause`. One that is gone is success.
struct ContainerUnpause: EngineEndpoint {
    let id: String

    var call: EngineCall { EngineCall(method: .post, path: "/containers/\(EngineCall.component(id))/unpause", patience: .creating) }
    var accepted: Set<Int> { [204, 404] }

    func answer(_ reply: EngineReply) {}

    func meaning(of status: Int) -> BackendError { .general(status, doing: "wake the paused container", .stopFailed) }
}
