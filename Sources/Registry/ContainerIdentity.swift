import Model

/// Whether the host an agent registers is its own container.
enum ContainerIdentity {
    /// The container of this generation that `url` names by hostname, name, short id or address; nil when it names anything else.
    static func container(named url: String, among containers: [ContainerFacts], generation: Int) -> ContainerFacts? {
        guard let parsed = AgentURL(parsing: url) else { return nil }
        return containers.first { isCurrent($0, generation) && names(of: $0).contains(parsed.host) }
    }

    private static func isCurrent(_ container: ContainerFacts, _ generation: Int) -> Bool {
        container.labels[WorkspaceLabels.generation].flatMap { Int($0) } == generation
    }

    private static func names(of container: ContainerFacts) -> Set<String> {
        let name = container.name.hasPrefix("/") ? String(container.name.dropFirst()) : container.name
        var names: Set = [container.hostname.lowercased(), name.lowercased(), String(container.id.prefix(12))]
        names.formUnion(container.addresses.compactMap { IPAddress(parsing: $0)?.description })
        if let published = container.agentURL.flatMap(AgentURL.init(parsing:)) { names.insert(published.host) }
        names.remove("")
        return names
    }
}
