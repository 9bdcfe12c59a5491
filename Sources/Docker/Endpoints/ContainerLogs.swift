internal import HTTP
internal import Model

/// Maps to `GET /containers/{id}/logs`: what the container wrote, framed unless it has a terminal.
struct ContainerLogs: EngineStream {
    let id: String
    let options: LogOptions

    var call: EngineCall {
        var query = [("stdout", "1"), ("stderr", "1"), ("tail", options.tail.map(String.init) ?? "all")]
        if let since = options.since { query.append(("since", since.engineSeconds)) }
        if options.follow { query.append(("follow", "1")) }
        let path = "/containers/\(EngineCall.component(id))/logs"
        return EngineCall(method: .get, path: path, query: query, patience: options.follow ? .endless : .ordinary)
    }

    func meaning(of status: Int) -> BackendError {
        switch status {
        case 404, 409: .containerMissing
        default: .general(status, doing: "read the container's log")
        }
    }
}

extension BackendError {
    static let containerMissing = BackendError(.missing, .containerMissing, "The container is gone.")
}

extension Timestamp {
    /// Seconds since 1970 with a fraction, as the engine's `since` wants them.
    var engineSeconds: String {
        let fraction = String(microseconds % 1_000_000)
        return "\(microseconds / 1_000_000).\(String(repeating: "0", count: 6 - fraction.count))\(fraction)"
    }
}
