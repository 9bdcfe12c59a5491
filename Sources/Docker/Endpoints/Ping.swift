internal import HTTP
internal import Model

/// Maps to `GET /_ping`, without a version: the one call every engine answers.
struct Ping: EngineEndpoint {
    struct Answer: Sendable, Hashable {
        /// nil when the engine does not say.
        let newest: APIVersion?
    }

    var call: EngineCall { EngineCall(method: .get, path: "/_ping", patience: .probing) }

    func answer(_ reply: EngineReply) -> Answer {
        Answer(newest: reply.headers["Api-Version"].flatMap(APIVersion.init))
    }

    func meaning(of status: Int) -> BackendError { .general(status, doing: "answer a ping") }
}
