internal import HTTP
internal import Model

/// Maps to `GET /events`: what happens to containers with these labels, as JSON lines, until the engine goes away.
struct Events: EngineStream {
    let labels: [String: String]
    let since: Timestamp?

    /// Actions are not filtered here: engines differ in their names, so they are matched on our side.
    var call: EngineCall {
        var query = [EngineCall.filters(labels: labels, ["type": ["container"]])]
        if let since { query.append(("since", since.engineSeconds)) }
        return EngineCall(method: .get, path: "/events", query: query, patience: .endless)
    }

    func meaning(of status: Int) -> BackendError { .general(status, doing: "report events") }
}

extension ContainerEvent {
    /// Reads only what every version sends: `Type`, `Action`, `Actor`, `timeNano`. nil for what is not about one of our containers.
    init?(_ json: JSONValue, labels wanted: [String: String]) {
        guard json["Type"]?.string == "container", let id = json["Actor"]?["ID"]?.string, let action = Self.action(json["Action"]?.string)
        else {
            return nil
        }
        let attributes = json["Actor"]?["Attributes"]?.strings ?? [:]
        guard wanted.allSatisfy({ attributes[$0.key] == $0.value }) else { return nil }
        let nanoseconds = json["timeNano"]?.int.map(Int64.init) ?? Int64(json["time"]?.int ?? 0) * 1_000_000_000
        let exitCode = (attributes["exitCode"] ?? attributes["containerExitCode"]).flatMap { Int($0) }
        self.init(
            action: action, containerID: id, labels: attributes, exitCode: exitCode, at: Timestamp(microseconds: nanoseconds / 1000))
    }

    /// Podman says `remove` and `died` where Docker says `destroy` and `die`.
    private static func action(_ text: String?) -> Action? {
        switch text {
        case "remove"?: .destroy
        case "died"?: .die
        default: text.flatMap(Action.init(rawValue:))
        }
    }
}

/// The lines of `GET /events`, as events of containers with these labels.
struct EventParser: ChunkParser {
    let labels: [String: String]
    private var lines = JSONLines()

    init(labels: [String: String]) { self.labels = labels }

    mutating func append(_ chunk: [UInt8]) throws -> [ContainerEvent] {
        try lines.append(chunk).compactMap { ContainerEvent($0, labels: labels) }
    }
}
