/// Says whether an address that an agent or a person named may be dialled at all.
public protocol AgentURLChecking: Sendable {
    /// Throws a `Failure` with `unsafe_url` when `url` leads to a place the daemon must not reach.
    func check(_ url: String) async throws
}
