internal import HTTP
internal import Model

/// Maps to `DELETE /containers/{id}?force=1&v=0`: kills and removes in one call, so that no restart policy comes in between.
/// Named volumes stay.
struct ContainerRemove: EngineEndpoint {
    enum Outcome: Sendable, Hashable {
        case gone
        /// Somebody else is removing it right now.
        case underWay
    }

    let id: String

    var call: EngineCall {
        EngineCall(
            method: .delete, path: "/containers/\(EngineCall.component(id))", query: [("force", "1"), ("v", "0")], patience: .creating)
    }
    var accepted: Set<Int> { [204, 404, 409] }

    func answer(_ reply: EngineReply) -> Outcome { reply.status == 409 ? .underWay : .gone }

    func meaning(of status: Int) -> BackendError { .general(status, doing: "remove the container", .stopFailed) }
}
