import Glibc

/// Who this agent is and whom it reports to: what the platform put into the container's environment.
struct AgentEnvironment: Sendable, Equatable {
    static let defaultConfigDirectory = "/configs"

    let workspaceID: String
    /// Without a trailing slash. nil serves messages without registering, for trying an agent by hand.
    let platformURL: String?
    let configDirectory: String
    let hostName: String

    /// A sentence for the log when the environment does not make an agent.
    struct Invalid: Error, Equatable {
        let reason: String
    }

    init(_ variables: [String: String]) throws(Invalid) {
        func value(_ name: String) -> String? { variables[name].flatMap { $0.isEmpty ? nil : $0 } }
        platformURL = value("PLATFORM_URL").map { url in String(url.reversed().drop { $0 == "/" }.reversed()) }
        if platformURL != nil, value("WORKSPACE_ID") == nil {
            throw Invalid(reason: "WORKSPACE_ID is not set: the platform would not know who registers")
        }
        if let platformURL, !platformURL.hasPrefix("http://"), !platformURL.hasPrefix("https://") {
            throw Invalid(reason: "PLATFORM_URL must begin with http:// or https://")
        }
        workspaceID = value("WORKSPACE_ID") ?? "standalone"
        configDirectory = value("WORKSPACE_CONFIG_PATH") ?? Self.defaultConfigDirectory
        hostName = value("HOSTNAME") ?? "localhost"
    }

    /// The variables of this process that an agent reads.
    static func ofThisProcess() -> [String: String] {
        var variables: [String: String] = [:]
        for name in ["WORKSPACE_ID", "PLATFORM_URL", "WORKSPACE_CONFIG_PATH", "HOSTNAME"] {
            if let text = getenv(name) { variables[name] = String(cString: text) }
        }
        return variables
    }
}
