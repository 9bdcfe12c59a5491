/// Limits of the proxy. Sizes in bytes.
public struct ProxySettings: Sendable, Hashable {
    /// Silence after which a dispatch is cut; an agent's own override wins.
    public var idleTimeout: Duration = defaultIdleTimeout
    /// However busy the agent is, a dispatch on behalf of another agent ends here.
    public var agentCeiling: Duration = .seconds(30 * 60)
    public var requestBytes = 1024 * 1024
    public var responseBytes = 10 * 1024 * 1024
    /// A stream that is silent this long gets a comment, so that intermediaries do not close it.
    public var keepAlive: Duration = .seconds(15)

    public init() {}

    public static let defaultIdleTimeout: Duration = .seconds(300)

    /// Reads `A2A_IDLE_TIMEOUT_SECONDS`: whole seconds above 0. Empty is the default; anything else is the default with a warning.
    public static func idleTimeout(parsing text: String?) -> (timeout: Duration, warning: String?) {
        guard let text, !text.isEmpty else { return (defaultIdleTimeout, nil) }
        guard let seconds = Int64(text), seconds > 0 else {
            return (defaultIdleTimeout, "A2A_IDLE_TIMEOUT_SECONDS=\(text) is not a whole number above 0; using 300 s")
        }
        return (.seconds(seconds), nil)
    }
}
