import HTTP
import Model

extension AgentProxy {
    /// Where the agent is dialled. An external agent: where it said, checked now and pinned to the checked address. One we provisioned:
    /// only where the engine publishes its own container.
    func destination(of target: Workspace) async throws -> VettedURL {
        if target.external {
            guard let url = target.url else { throw ProxyError.unavailable(target.status, retryAfter: nil) }
            return try await urlGuard.vetted(url)
        }
        if let known = target.url.flatMap(Self.published) { return known }
        guard let found = try await engineDestination(of: target) else { throw ProxyError.unreachable }
        return found
    }

    /// Where the engine publishes the agent now, when that is another place than `previous`. An engine that does not answer proves nothing.
    func movedDestination(of target: Workspace, from previous: VettedURL) async -> VettedURL? {
        guard !target.external, let found = try? await engineDestination(of: target), found != previous else { return nil }
        return found
    }

    private func engineDestination(of target: Workspace) async throws -> VettedURL? {
        let own = try await containers.containers(of: target.id)
        let current = own.first { container in
            container.state == .running && container.labels[WorkspaceLabels.generation].flatMap { Int($0) } == target.generation
        }
        return current?.agentURL.flatMap(Self.published)
    }

    /// A published port is an address already: nothing to resolve.
    private static func published(_ url: String) -> VettedURL? {
        guard let parsed = AgentURL(parsing: url), let address = parsed.address else { return nil }
        return VettedURL(url: parsed.description, pinnedAddress: address.description)
    }
}
