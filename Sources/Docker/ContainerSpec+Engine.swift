internal import Model

extension ContainerSpec {
    static let standardPortKey = "8000/tcp"

    private var portKey: String { "\(agentPort)/tcp" }

    /// The body of `POST /containers/create`. `processors` is how many the engine has: it refuses a container that asks for more.
    func engineBody(instance: InstanceID, processors: Int?) -> JSONValue {
        var body: JSONObject = [
            "Image": .string(image), "Env": .array(lastOfEachName.map { .string("\($0.name)=\($0.value)") }),
            "Labels": .labels(labels.dictionary(for: instance)), "ExposedPorts": .object([portKey: [:]]),
            "HostConfig": .object(hostConfig(processors: processors)),
        ]
        if let network, !hostNetwork {
            body["NetworkingConfig"] = ["EndpointsConfig": .object([network.id: ["Aliases": [.string(name)]]])]
        }
        return .object(body)
    }

    /// Later values win, each name once, in the order of their last mention.
    private var lastOfEachName: [EnvironmentVariable] {
        var seen: Set<String> = []
        return environment.reversed().filter { seen.insert($0.name).inserted }.reversed()
    }

    private func hostConfig(processors: Int?) -> JSONObject {
        var config: JSONObject = [
            "Init": true, "Privileged": .bool(privileged), "ReadonlyRootfs": .bool(readOnlyRoot),
            "RestartPolicy": ["Name": "unless-stopped"],
            "LogConfig": ["Type": "json-file", "Config": ["max-size": "10m", "max-file": "3"]],
            "Mounts": .array(mounts.map(\.engineBody)),
            "Tmpfs": .labels(temporaryFileSystems),
            "ExtraHosts": .array(extraHosts.sorted { $0.key < $1.key }.map { .string("\($0.key):\($0.value)") }),
        ]
        if hostNetwork {
            config["NetworkMode"] = "host"
        } else {
            if let network { config["NetworkMode"] = .string(network.id) }
            // One explicit binding: newer engines no longer fill in an empty list.
            config["PortBindings"] = .object([portKey: [["HostIp": "127.0.0.1", "HostPort": ""]]])
        }
        if hostProcesses { config["PidMode"] = "host" }
        if noNewPrivileges { config["SecurityOpt"] = ["no-new-privileges"] }
        if let keptCapabilities {
            config["CapDrop"] = ["ALL"]
            config["CapAdd"] = .array(keptCapabilities.map { .string($0) })
        }
        addLimits(to: &config, processors: processors)
        return config
    }

    /// Swap equal to memory means no swap at all. Zero leaves a limit to the engine.
    private func addLimits(to config: inout JSONObject, processors: Int?) {
        if memoryBytes > 0 {
            config["Memory"] = .int(memoryBytes)
            config["MemorySwap"] = .int(memoryBytes)
        }
        if nanoCPUs > 0 { config["NanoCpus"] = .int(min(nanoCPUs, Int64(processors ?? .max / 1_000_000_000) * 1_000_000_000)) }
        if pidsLimit > 0 { config["PidsLimit"] = .int(pidsLimit) }
    }
}

extension ContainerSpec.Mount {
    /// `Mounts` instead of `Binds`: a bind whose directory is missing is refused instead of made as root.
    fileprivate var engineBody: JSONValue {
        switch self {
        case .volume(let name, let path): ["Type": "volume", "Source": .string(name), "Target": .string(path)]
        case .bind(let hostPath, let path, let readOnly):
            ["Type": "bind", "Source": .string(hostPath), "Target": .string(path), "ReadOnly": .bool(readOnly)]
        }
    }
}
