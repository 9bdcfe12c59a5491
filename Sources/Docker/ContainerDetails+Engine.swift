internal import Model

extension ContainerDetails {
    /// From `GET /containers/{id}/json`. The image's digests are not in it.
    init(facts: ContainerFacts, inspected json: JSONValue) {
        self.init(facts: facts)
        let host = json["HostConfig"]
        memoryBytes = Int64(host?["Memory"]?.int ?? 0)
        nanoCPUs = Int64(host?["NanoCpus"]?.int ?? 0)
        pidsLimit = Int64(host?["PidsLimit"]?.int ?? 0)
        restartPolicy = host?["RestartPolicy"]?["Name"]?.string ?? ""
        mounts = (json["Mounts"]?.array ?? []).compactMap(MountFacts.init).sorted { $0.target < $1.target }
        ports = Self.ports(json["NetworkSettings"]?["Ports"])
        environment = EnvironmentVariable.list(json["Config"]?["Env"])
    }

    /// Exposed ports that are not published have null for their bindings.
    private static func ports(_ json: JSONValue?) -> [PortFacts] {
        let published = (json?.object?.members ?? []).flatMap { port in
            (port.value.array ?? []).compactMap { PortFacts(container: port.key, binding: $0) }
        }
        return published.sorted { ($0.container, $0.hostAddress, $0.hostPort) < ($1.container, $1.hostAddress, $1.hostPort) }
    }
}

extension ContainerDetails.MountFacts {
    fileprivate init?(_ json: JSONValue) {
        guard let target = json["Destination"]?.string else { return nil }
        let type = json["Type"]?.string ?? ""
        let source = (type == "volume" ? json["Name"] : json["Source"])?.string ?? ""
        self.init(type: type, source: source, target: target, readOnly: json["RW"]?.bool == false)
    }
}

extension ContainerDetails.PortFacts {
    fileprivate init?(container: String, binding json: JSONValue) {
        guard let port = json["HostPort"]?.string.flatMap({ Int($0) }) else { return nil }
        self.init(container: container, hostAddress: json["HostIp"]?.string ?? "", hostPort: port)
    }
}

extension EnvironmentVariable {
    /// From a list of assignments; null is an empty one.
    static func list(_ json: JSONValue?) -> [EnvironmentVariable] {
        (json?.array ?? []).compactMap(\.string).map(EnvironmentVariable.init(assignment:))
    }

    /// From `NAME=value`; a name alone has an empty value.
    fileprivate init(assignment text: String) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        self.init(String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
    }
}
