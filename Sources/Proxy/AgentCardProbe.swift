public import HTTP
public import Model

/// Asks an agent for its card where the engine publishes it.
public struct AgentCardProbe: AgentCardReading {
    private let transport: any HTTPTransport

    /// Current agents serve the first, those of protocol 0.2 the second.
    private static let paths = ["/.well-known/agent-card.json", "/.well-known/agent.json"]
    private static let limits = ExchangeLimits(connect: .seconds(2), head: .seconds(5), stall: .seconds(5), total: .seconds(5))
    private static let largestCard = 1 << 20

    public init(transport: any HTTPTransport) { self.transport = transport }

    public func card(at url: String) async throws -> JSONValue {
        guard let parsed = AgentURL(parsing: url), let address = parsed.address else { throw Self.silent }
        for path in Self.paths {
            var request = OutgoingRequest(.get, Self.joined(parsed.description, path), limits: Self.limits)
            request.pinnedAddress = address.description
            do {
                let response = try await transport.send(request)
                guard response.status == 200 else { continue }
                return try JSONValue(parsing: try await response.body.collect(limit: Self.largestCard))
            } catch let error as TransportError {
                throw Failure(.agentUnreachable, "the agent does not answer at its card: \(error.reason.rawValue)")
            } catch is JSONSyntaxError {
                throw Failure(.agentResponseInvalid, "the agent's card is no JSON")
            } catch is BodyTooLarge {
                throw Failure(.agentResponseTooLarge, "the agent's card is larger than 1 MiB")
            }
        }
        throw Self.silent
    }

    private static let silent = Failure(.agentUnreachable, "the agent has no card at \(paths[0])")

    private static func joined(_ base: String, _ path: String) -> String {
        base.hasSuffix("/") ? String(base.dropLast()) + path : base + path
    }
}
