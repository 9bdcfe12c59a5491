import Model

/// What a workspace should be beside what the engine has of it.
struct WorkspaceInspection {
    let workspace: Workspace
    /// nil when there is no container.
    var details: ContainerDetails?
    /// Containers of this workspace beside the newest one.
    var others: [ContainerFacts] = []
    var volumes: [String] = []

    init(workspace: Workspace) { self.workspace = workspace }

    func json(showingHost: Bool) -> JSONValue {
        var object: JSONObject = [
            "id": .string(workspace.id.text), "name": .string(workspace.name), "status": .string(workspace.status.rawValue),
            "cause": .optional(workspace.condition.cause?.rawValue), "runtime": .string(workspace.runtime),
            "template": .optional(workspace.template), "tier": .int(workspace.tier), "generation": .int(workspace.generation),
            "external": .bool(workspace.external), "desired_state": .string(desired.rawValue), "actual_state": .string(actual),
        ]
        object["container"] = details.map { Self.container($0, showingHost: showingHost) } ?? .null
        object["volumes"] = .array(volumes.map(JSONValue.string))
        object["drift"] = .array(drift.map(\.json))
        return .object(object)
    }

    private static func container(_ details: ContainerDetails, showingHost: Bool) -> JSONValue {
        let facts = details.facts
        var object: JSONObject = [
            "id": .string(facts.id), "name": .string(facts.name), "state": .string(facts.state.rawValue),
            "exit_code": facts.hasEnded ? .int(facts.exitCode) : .null, "oom_killed": .bool(facts.outOfMemory),
            "restart_count": .int(facts.restartCount), "error": .optional(facts.engineError.isEmpty ? nil : facts.engineError),
            "created_at": .optional(facts.createdAt?.rfc3339), "started_at": .optional(facts.startedAt?.rfc3339),
            "finished_at": .optional(facts.hasEnded ? facts.finishedAt?.rfc3339 : nil),
        ]
        // The engine's own words may name a directory of the host.
        if !showingHost { object["error"] = nil }
        object["image"] = [
            "name": .string(facts.image), "id": .string(facts.imageID), "digests": .array(details.imageDigests.map(JSONValue.string)),
        ]
        object["limits"] = [
            "memory_bytes": .int(details.memoryBytes), "nano_cpus": .int(details.nanoCPUs), "pids": .int(details.pidsLimit),
        ]
        object["restart_policy"] = .string(details.restartPolicy)
        object["mounts"] = .array(details.mounts.map { mount($0, showingHost: showingHost) })
        object["ports"] = .array(details.ports.map(port))
        object["labels"] = labels(facts.labels)
        // Names only: values may be secrets.
        object["environment"] = .array(Set(details.environment.map(\.name)).sorted().map(JSONValue.string))
        return .object(object)
    }

    private static func mount(_ mount: ContainerDetails.MountFacts, showingHost: Bool) -> JSONValue {
        var object: JSONObject = ["type": .string(mount.type), "target": .string(mount.target), "read_only": .bool(mount.readOnly)]
        if showingHost || mount.type == "volume" { object["source"] = .string(mount.source) }
        return .object(object)
    }

    private static func port(_ port: ContainerDetails.PortFacts) -> JSONValue {
        ["container": .string(port.container), "host_address": .string(port.hostAddress), "host_port": .int(port.hostPort)]
    }

    private static func labels(_ labels: [String: String]) -> JSONValue {
        var object = JSONObject()
        for (name, value) in labels.sorted(by: { $0.key < $1.key }) { object[name] = .string(value) }
        return .object(object)
    }
}

// MARK: - What differs

extension WorkspaceInspection {
    /// What the row wants of its container.
    enum DesiredState: String {
        case running, stopped, absent
        /// The agent lives where we have nothing to say.
        case elsewhere
    }

    struct Drift: Equatable {
        let field: String
        let wanted: String
        let actual: String

        var json: JSONValue { ["field": .string(field), "wanted": .string(wanted), "actual": .string(actual)] }
    }

    var desired: DesiredState {
        if workspace.external { return .elsewhere }
        switch workspace.status {
        case .provisioning, .online, .offline, .degraded, .awaitingAgent: return .running
        case .paused, .hibernated, .hibernating: return .stopped
        case .removed: return .absent
        case .failed: return afterFailure
        }
    }

    /// An agent may still come after its deadline; one that crashed too often is kept, stopped; what never worked is removed.
    private var afterFailure: DesiredState {
        switch workspace.condition.cause {
        case .registerTimeout: .running
        case .crashLoop: .stopped
        case .provision, .wedged, .errorRate, nil: .absent
        }
    }

    var actual: String { details?.facts.state.rawValue ?? "absent" }

    /// Where the container is not what a start would make of the row now.
    var drift: [Drift] {
        var found: [Drift] = []
        if !holds { found.append(Drift(field: "state", wanted: desired.rawValue, actual: actual)) }
        found += details.map { differences($0.facts) } ?? []
        found += others.map { Drift(field: "container \($0.name)", wanted: "absent", actual: $0.state.rawValue) }
        return found
    }

    private var holds: Bool {
        switch desired {
        case .running: details?.facts.state == .running
        // A container that is gone does not run either: a start makes another one on the same volumes.
        case .stopped: details.map { $0.facts.hasEnded || $0.facts.state == .created } ?? true
        case .absent, .elsewhere: details == nil
        }
    }

    private func differences(_ facts: ContainerFacts) -> [Drift] {
        var found: [Drift] = []
        if let image = workspace.image, facts.image != image, facts.imageID != workspace.imageVersion?.id {
            found.append(Drift(field: "image", wanted: image, actual: facts.image))
        }
        let wanted = WorkspaceLabels(workspace: workspace).values
        for (label, value) in wanted.sorted(by: { $0.key < $1.key }) where facts.labels[label] != value {
            found.append(Drift(field: "label \(label)", wanted: value, actual: facts.labels[label] ?? "none"))
        }
        return found
    }
}

extension WorkspaceLabels {
    /// Those that say what the workspace is, without those that say whose it is.
    fileprivate var values: [String: String] {
        [
            Self.workspaceID: workspace.text, Self.name: workspaceName, Self.runtime: runtimeName, Self.template: templateID,
            Self.tier: String(tierNumber), Self.parent: parentID?.text ?? "", Self.generation: String(generationNumber),
        ]
    }
}

extension ContainerFacts {
    /// Whether its exit code says anything.
    fileprivate var hasEnded: Bool {
        switch state {
        case .exited, .dead, .restarting: true
        case .created, .running, .paused, .removing, .unknown: false
        }
    }
}
