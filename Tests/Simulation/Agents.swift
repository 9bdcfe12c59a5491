import Model

/// The agents inside the containers: they read their token, register, and beat.
extension World {
    static let beatInterval: Duration = .seconds(30)

    var nextAgentMoment: Timestamp? {
        host.boxes.lazy.filter { $0.facts.state == .running }.compactMap { box in
            box.agent.flatMap { $0.mode == .well && !$0.isCalling ? $0.nextAt : nil }
        }.min()
    }

    /// Every agent whose moment has come calls its daemon.
    func wakeAgents() {
        for index in host.boxes.indices where host.boxes[index].facts.state == .running {
            guard let agent = host.boxes[index].agent, agent.mode == .well, !agent.isCalling, agent.nextAt <= stage.now else { continue }
            host.boxes[index].agent?.nextAt = stage.now + Self.beatInterval
            call(from: index)
        }
    }

    private func call(from index: Int) {
        let box = host.boxes[index]
        guard let instance = box.facts.labels[WorkspaceLabels.instance].flatMap(InstanceID.init), let home = home(of: instance),
            home.daemon != nil, let labels = WorkspaceLabels(box.facts.labels, of: instance),
            let token = host.read("/configs/.auth_token", of: index)
        else { return }
        host.boxes[index].agent?.isCalling = true
        let bearer = String(decoding: token, as: UTF8.self)
        let registers = box.agent?.hasRegistered == false
        let busy = stage.dice.roll(3) / 2
        let body = Self.body(labels.workspace, box, registers: registers, busy: busy)
        home.ask(registers ? "register" : "beat \(labels.workspace.prefix12)") { [self] daemon in
            defer { host.index(box.facts.id).map { host.boxes[$0].agent?.isCalling = false } }
            if registers {
                _ = try await daemon.registry.register(body, bearer: bearer)
            } else {
                _ = try await daemon.registry.heartbeat(body, bearer: bearer)
            }
            accepted(box.facts.id, home.records.row(labels.workspace))
            return "accepted"
        }
    }

    private static func body(_ id: WorkspaceID, _ box: EngineHost.Box, registers: Bool, busy: Int) -> JSONValue {
        if registers {
            return .object([
                "id": .string(id.text), "url": .string("http://\(box.facts.hostname):8000"), "agent_card": .object(["name": "agent"]),
            ])
        }
        return .object([
            "workspace_id": .string(id.text), "error_rate": .double(0), "active_tasks": .int(busy), "uptime_seconds": .int(5),
        ])
    }

    /// An agent whose workspace is up is at work: its volumes hold something from now on.
    private func accepted(_ id: String, _ row: Workspace?) {
        guard let index = host.index(id) else { return }
        host.boxes[index].agent?.hasRegistered = true
        guard row?.status == .online || row?.status == .degraded else { return }
        for volume in host.volumes.indices where host.boxes[index].mounts(host.volumes[volume].name) { host.volumes[volume].lived = true }
    }
}
