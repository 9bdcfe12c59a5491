public import Events
public import Model
public import Provisioner
public import Proxy
public import Registry

/// Everything the routes call. Policy lives there; a route decodes, authorises, calls one function and encodes.
public struct APIServices: Sendable {
    public var provisioner: WorkspaceProvisioner
    public var registry: AgentRegistry
    public var proxy: AgentProxy
    public var feed: EventFeed
    public var workspaces: any WorkspaceReading
    public var tokenOwners: any AgentRecording
    public var containers: any ContainerReading
    public var templates: any TemplateSource
    public var tokens: any TokenMaking
    public var clock: any TimeSource
    public var random: any RandomSource
    public var log: any LogSink
    /// What `/readyz` asks, in this order.
    public var probes: [ReadinessProbe] = []
    /// The loops that keep the daemon's promises, for `/metrics`.
    public var loops: @Sendable () -> [LoopTick] = { [] }

    public init(
        provisioner: WorkspaceProvisioner, registry: AgentRegistry, proxy: AgentProxy, feed: EventFeed, workspaces: any WorkspaceReading,
        tokenOwners: any AgentRecording, containers: any ContainerReading, templates: any TemplateSource, tokens: any TokenMaking,
        clock: any TimeSource, random: any RandomSource, log: any LogSink
    ) {
        self.provisioner = provisioner
        self.registry = registry
        self.proxy = proxy
        self.feed = feed
        self.workspaces = workspaces
        self.tokenOwners = tokenOwners
        self.containers = containers
        self.templates = templates
        self.tokens = tokens
        self.clock = clock
        self.random = random
        self.log = log
    }
}
