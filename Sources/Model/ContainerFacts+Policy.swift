extension ContainerFacts {
    /// The generation its label names; 0 when it names none.
    public var generation: Int { labels[WorkspaceLabels.generation].flatMap { Int($0) } ?? 0 }

    /// Whether it is the container of the row's generation. One that only bears the same number is not: when a database is put back to an
    /// old copy, generations are counted once more beside containers of the time after that copy, whose tokens nobody knows any longer.
    public func isMade(for row: Workspace) -> Bool {
        guard generation == row.generation else { return false }
        guard id != row.containerID, let createdAt, let began = row.provisionStartedAt else { return true }
        return createdAt >= began
    }
}

extension ContainerFacts.State {
    /// Whether something of the container may run.
    public var isUp: Bool {
        switch self {
        case .running, .restarting, .paused: true
        case .created, .exited, .dead, .removing, .unknown: false
        }
    }
}

extension Workspace {
    /// What of `container` no longer is what the row asks for, as the wire names it. Labels cannot be changed: only a new container mends it.
    public func drift(of container: ContainerFacts) -> [String] {
        func differs(_ label: String, _ wanted: String) -> Bool { container.labels[label].map { $0 != wanted } ?? false }
        var drift: [String] = []
        if differs(WorkspaceLabels.tier, String(tier)) { drift.append("tier") }
        if differs(WorkspaceLabels.runtime, runtime) { drift.append("runtime") }
        if differs(WorkspaceLabels.template, template ?? "") { drift.append("template") }
        if let image, !container.image.isEmpty, container.image != image, !container.image.hasPrefix("sha256:") { drift.append("image") }
        return drift
    }
}
