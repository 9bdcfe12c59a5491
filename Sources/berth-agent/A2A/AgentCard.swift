import Model

/// What the agent tells about itself. One card carries the keys of 0.3 and of 1.0, so that both kinds of client find their way.
struct AgentCard: Sendable {
    let configuration: AgentConfiguration

    /// `url` is where the reader of this card reaches the agent.
    func json(url: String) -> JSONValue {
        let address = JSONValue.string(url)
        let description = configuration.description.isEmpty ? "An agent on Berth" : configuration.description
        let interfaces = A2AVersion.allCases.reversed().map { version -> JSONValue in
            ["url": address, "protocolBinding": "JSONRPC", "protocolVersion": .string(version.rawValue)]
        }
        return [
            "name": .string(configuration.name), "description": .string(description), "version": .string(configuration.version),
            "protocolVersion": "0.3.0", "url": address, "preferredTransport": "JSONRPC",
            "additionalInterfaces": [["url": address, "transport": "JSONRPC"]],
            "supportedInterfaces": .array(interfaces),
            "capabilities": ["streaming": true, "pushNotifications": false, "stateTransitionHistory": false, "extendedAgentCard": false],
            "defaultInputModes": ["text/plain"], "defaultOutputModes": ["text/plain"],
            "skills": .array(skills), "supportsAuthenticatedExtendedCard": false,
        ]
    }

    private var skills: [JSONValue] {
        let names = configuration.skills.isEmpty ? [configuration.command == nil ? "echo" : "command"] : configuration.skills
        return names.map { ["id": .string($0), "name": .string($0), "description": .string($0), "tags": [.string($0)]] }
    }
}
