/// A URL that was checked, and the very address the check was made on: connecting to it instead of resolving again leaves no gap in
/// which a name could come to mean something else.
public struct VettedURL: Sendable, Hashable {
    /// In canonical spelling.
    public let url: String
    public let pinnedAddress: String

    public init(url: String, pinnedAddress: String) {
        self.url = url
        self.pinnedAddress = pinnedAddress
    }
}

/// Checks where an agent that lives elsewhere says it is, before the address is stored and again before each dispatch.
public struct AgentURLGuard: AgentURLChecking {
    private let policy: AddressPolicy
    private let resolver: any HostResolving

    public init(mode: AddressPolicy.Mode, resolver: any HostResolving) {
        policy = AddressPolicy(mode: mode)
        self.resolver = resolver
    }

    /// Throws a `Failure` with `unsafe_url` that says why.
    public func check(_ url: String) async throws { _ = try await vetted(url) }

    /// The canonical URL with an address that may be connected to. Every address of a name must be allowed, not only the first.
    public func vetted(_ url: String) async throws -> VettedURL {
        guard let parsed = AgentURL(parsing: url) else {
            throw Self.refusal("url must be an absolute http or https URL with a plain host and no user name")
        }
        let addresses = try await addresses(of: parsed)
        for address in addresses where !policy.allows(address) {
            throw Self.refusal("url points to a \(AddressPolicy.kind(of: address).rawValue) address, which is not allowed here")
        }
        guard let first = addresses.first else { throw Self.refusal("the url's host has no address") }
        return VettedURL(url: parsed.description, pinnedAddress: first.description)
    }

    private func addresses(of url: AgentURL) async throws -> [IPAddress] {
        if let literal = url.address { return [literal] }
        let texts: [String]
        do {
            texts = try await resolver.addresses(of: url.host)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            throw Self.refusal("the url's host cannot be resolved")
        }
        return try texts.map { text in
            let withoutZone = String(text.prefix { $0 != "%" })
            guard let address = IPAddress(parsing: withoutZone) else { throw Self.refusal("the url's host has an address we cannot read") }
            return address
        }
    }

    private static func refusal(_ reason: String) -> Failure {
        Failure(
            .unsafeURL, reason,
            next: "Give an address this daemon may reach: public, or private with MOLECULE_DEPLOY_MODE=saas, or loopback in development.")
    }
}
