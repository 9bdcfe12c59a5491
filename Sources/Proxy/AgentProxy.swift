public import HTTP
public import Model

/// Who a message comes from. Only routes decide this: a header never makes a caller a person.
public enum Caller: Sendable, Hashable {
    case person
    case workspace(WorkspaceID)
}

/// Hands messages to agents: `POST /workspaces/:id/a2a`.
public final class AgentProxy: Sendable {
    let workspaces: any WorkspaceReading
    let containers: any ContainerReading
    let urlGuard: AgentURLGuard
    let transport: any HTTPTransport
    let events: any EventSubscribing
    let publish: any EventPublishing
    let clock: any TimeSource
    let random: any RandomSource
    let log: any LogSink
    let settings: ProxySettings

    public init(
        workspaces: any WorkspaceReading, containers: any ContainerReading, urlGuard: AgentURLGuard, transport: any HTTPTransport,
        events: any EventSubscribing, publish: any EventPublishing, clock: any TimeSource, random: any RandomSource, log: any LogSink,
        settings: ProxySettings = ProxySettings()
    ) {
        self.workspaces = workspaces
        self.containers = containers
        self.urlGuard = urlGuard
        self.transport = transport
        self.events = events
        self.publish = publish
        self.clock = clock
        self.random = random
        self.log = log
        self.settings = settings
    }

    /// Sends the request's body to the agent of `id` and gives back its answer. Never throws: an error is a response too.
    public func dispatch(to id: WorkspaceID, from caller: Caller, request: Request) async -> Response {
        ProxyError.unreachable.response
    }
}
