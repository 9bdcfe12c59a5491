public import Model

extension LocalEngine: NetworkEnsuring {
    /// Callers at the same time share one attempt: an engine's own check for duplicates is not proof against a race.
    public func ensureNetwork() async throws -> WorkspaceNetwork {
        let task = networkInTheMaking.withLock { current in
            if let current { return current }
            let task = Task { [self] in
                defer { networkInTheMaking.withLock { $0 = nil } }
                return try await findOrMakeNetwork()
            }
            current = task
            return task
        }
        return try await task.value
    }

    /// Ours by label first; else made; else, when the name is taken, the one the operator made under that name.
    private func findOrMakeNetwork() async throws -> WorkspaceNetwork {
        if let id = try await ourNetworkID(), let network = try await network(id) { return network }
        if let id = try await run(NetworkCreate(name: networkName, labels: ownership)), let network = try await network(id) {
            log.info("made the workspace network", ("network", networkName), ("id", id))
            return network
        }
        if let id = try await ourNetworkID(), let network = try await network(id) { return network }
        if let network = try await network(networkName) { return network }
        throw BackendError(
            .missing, .networkMissing, "The workspace network went away while it was looked for.", next: "berthd tries again by itself.")
    }

    private func ourNetworkID() async throws -> String? {
        try await run(NetworkList(labels: ownership)).first { $0.name == networkName }?.id
    }

    private func network(_ idOrName: String) async throws -> WorkspaceNetwork? {
        guard let found = try await run(NetworkInspect(idOrName: idOrName)) else { return nil }
        guard let gateway = found.gateway else {
            throw BackendError(
                .failed, .engineError, "The workspace network has no gateway address.",
                next: "Remove the network, so that it is made anew, or give DOCKER_NETWORK another name.")
        }
        return WorkspaceNetwork(id: found.id, name: found.name, gateway: gateway)
    }
}
