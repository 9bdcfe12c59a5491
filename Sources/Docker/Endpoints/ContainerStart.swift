internal import HTTP
internal import Model

/// Maps to `POST /containers/{id}/start`. One that runs already is success.
struct ContainerStart: EngineEndpoint {
    let id: String

    var call: EngineCall { EngineCall(method: .post, path: "/containers/\(EngineCall.component(id))/start", patience: .creating) }
    var accepted: Set<Int> { [204, 304] }

    func answer(_ reply: EngineReply) {}

    /// 404 is about the container's network unless the container is gone, which only a look can tell (`LocalEngine.start`).
    func meaning(of status: Int) -> BackendError {
        switch status {
        case 400:
            BackendError(
                .refused, .commandNotFound, "The image's command was not found in it, or cannot be executed.",
                next: "Check CMD and ENTRYPOINT of the image, and that the file is executable.")
        case 404:
            BackendError(
                .missing, .networkMissing, "The workspace network went away before the container started.",
                next: "Create the workspace again: the network is made anew.")
        default: .general(status, doing: "start the container", .startFailed)
        }
    }

    /// A second engine with some hundred containers on the same host is passed.
    var mostAttempts: Int { 40 }

    /// An engine picks ports without knowing what else listens on the host. It gives up after ten, and goes on behind those when it is asked
    /// again. The words of Docker and of podman decide only that: other words are an ordinary failure.
    func mayRepeat(after error: EngineError) -> Bool {
        guard case .refused(500, let body) = error else { return false }
        let text = String(decoding: body, as: UTF8.self)
        return text.contains("address already in use") || text.contains("port is already allocated")
    }
}
