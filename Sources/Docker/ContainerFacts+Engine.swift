internal import Model

extension ContainerFacts {
    /// From `GET /containers/{id}/json`. nil when it is not a container.
    init?(inspected json: JSONValue) {
        guard let id = json["Id"]?.string else { return nil }
        let state = json["State"]
        self.init(
            id: id, name: Self.withoutSlash(json["Name"]?.string), labels: json["Config"]?["Labels"]?.strings ?? [:],
            state: State(engine: state?["Status"]?.string))
        image = json["Config"]?["Image"]?.string ?? ""
        imageID = json["Image"]?.string ?? ""
        exitCode = state?["ExitCode"]?.int ?? 0
        outOfMemory = state?["OOMKilled"]?.bool ?? false
        restartCount = json["RestartCount"]?.int ?? 0
        engineError = state?["Error"]?.string ?? ""
        hostname = json["Config"]?["Hostname"]?.string ?? ""
        createdAt = json["Created"]?.string.flatMap(Self.moment)
        startedAt = state?["StartedAt"]?.string.flatMap(Self.moment)
        finishedAt = state?["FinishedAt"]?.string.flatMap(Self.moment)
        addresses = Self.addresses(json["NetworkSettings"]?["Networks"])
        agentURL = Self.agentURL(inspected: json, running: self.state == .running)
    }

    /// From an entry of `GET /containers/json`.
    init?(listed json: JSONValue) {
        guard let id = json["Id"]?.string else { return nil }
        self.init(
            id: id, name: Self.withoutSlash(json["Names"]?[0]?.string), labels: json["Labels"]?.strings ?? [:],
            state: State(engine: json["State"]?.string))
        image = json["Image"]?.string ?? ""
        imageID = json["ImageID"]?.string ?? ""
        createdAt = json["Created"]?.int.map { Timestamp(seconds: Int64($0)) }
        addresses = Self.addresses(json["NetworkSettings"]?["Networks"])
        let port = json["Ports"]?.array?.first { $0["PublicPort"]?.int != nil && $0["IP"]?.string == "127.0.0.1" }
        agentURL = port?["PublicPort"]?.int.map { "http://127.0.0.1:\($0)" }
    }

    private static func withoutSlash(_ name: String?) -> String {
        guard let name else { return "" }
        return name.hasPrefix("/") ? String(name.dropFirst()) : name
    }

    /// The engine writes year 1 for "never".
    private static func moment(_ text: String) -> Timestamp? {
        text.hasPrefix("0001-") ? nil : Timestamp(rfc3339: text)
    }

    private static func addresses(_ networks: JSONValue?) -> [String] {
        let members = networks?.object?.members ?? []
        return members.flatMap { [$0.value["IPAddress"]?.string, $0.value["GlobalIPv6Address"]?.string] }
            .compactMap { $0 }.filter { !$0.isEmpty }
    }

    /// The published port moves with every restart, and is there only while the container runs. On the host's network nothing is
    /// published: the agent listens on the exposed port itself.
    private static func agentURL(inspected json: JSONValue, running: Bool) -> String? {
        guard running else { return nil }
        if json["HostConfig"]?["NetworkMode"]?.string == "host" {
            let exposed = json["Config"]?["ExposedPorts"]?.object?.keys ?? []
            let key = exposed.contains(ContainerSpec.standardPortKey) ? ContainerSpec.standardPortKey : exposed.first
            return key.map { "http://127.0.0.1:\($0.prefix { $0 != "/" })" }
        }
        let ports = json["NetworkSettings"]?["Ports"]?.object?.members ?? []
        let bindings = ports.flatMap { $0.value.array ?? [] }
        guard let binding = bindings.first(where: { $0["HostPort"]?.string.map { !$0.isEmpty } ?? false }) else { return nil }
        let address = binding["HostIp"]?.string.flatMap { $0.isEmpty || $0 == "0.0.0.0" ? nil : $0 } ?? "127.0.0.1"
        return binding["HostPort"]?.string.map { "http://\(address):\($0)" }
    }
}

extension ContainerFacts.State {
    /// A state a newer engine invents is `unknown`, which nobody acts on.
    init(engine text: String?) { self = text.flatMap(Self.init(rawValue:)) ?? .unknown }
}
