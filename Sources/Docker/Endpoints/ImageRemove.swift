internal import HTTP
internal import Model

/// Maps to `DELETE /images/{name}`. A name that is gone is success; an image that a container needs stays, and that is an answer.
struct ImageRemove: EngineEndpoint {
    let reference: String

    var call: EngineCall {
        EngineCall(method: .delete, path: "/images/\(PercentCoding.encoded(reference, keeping: "/:@"))", patience: .creating)
    }
    var accepted: Set<Int> { [200, 404, 409] }

    /// Whether it is gone.
    func answer(_ reply: EngineReply) -> Bool { reply.status != 409 }

    func meaning(of status: Int) -> BackendError { .general(status, doing: "remove an image") }
}
