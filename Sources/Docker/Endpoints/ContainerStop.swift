internal import HTTP
internal import Model

/// Maps to `POST /containers/{id}/stop?t=<seconds>`: SIGTERM, and SIGKILL when `grace` is over; waits for its end, and keeps its restart
/// policy from starting it again. One that is not running, or gone, is success.
struct ContainerStop: EngineEndpoint {
    let id: String
    /// The engine counts whole seconds; a part of one is rounded up.
    let grace: Duration

    var call: EngineCall {
        EngineCall(
            method: .post, path: "/containers/\(EngineCall.component(id))/stop", query: [("t", String(wholeSeconds))],
            patience: .stopping(grace: .seconds(wholeSeconds)))
    }
    var accepted: Set<Int> { [204, 304, 404] }

    func answer(_ reply: EngineReply) {}

    func meaning(of status: Int) -> BackendError { .general(status, doing: "stop the container", .stopFailed) }

    private var wholeSeconds: Int64 { max(0, (grace.microseconds + 999_999) / 1_000_000) }
}
