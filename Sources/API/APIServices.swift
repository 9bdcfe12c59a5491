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
    public var operations: any OperationReading
    public var tokenOwners: any AgentRecording
    public var containers: any ContainerReading & ContainerSurveying
    public var orphans: any OrphanKeeping
    public var images: any ImageKeeping
    public var audit: any OrphanRecording
    public var templates: any TemplateSource
    public var tokens: any TokenMaking
    public var clock: any TimeSource
    public var random: any RandomSource
    public var log: any LogSink
    /// What `/readyz` asks, in this order.
    public var probes: [ReadinessProbe] = []
    /// The loops that keep the daemon's promises, for `/metrics` and `/admin/liveness`.
    public var loops: @Sendable () -> [LoopTick] = { [] }

    public init(
        provisioner: WorkspaceProvisioner, registry: AgentRegistry, proxy: AgentProxy, feed: EventFeed, workspaces: any WorkspaceReading,
        operations: any OperationReading, tokenOwners: any AgentRecording, containers: any ContainerReading & ContainerSurveying,
        orphans: any OrphanKeeping, images: any ImageKeeping, audit: any OrphanRecording, templates: any TemplateSource,
        tokens: any TokenMaking,
        clock: any TimeSource, random: any RandomSource, log: any LogSink
    ) {
        self.provisioner = provisioner
        self.registry = registry
        self.proxy = proxy
        self.feed = feed
        self.workspaces = workspaces
        self.operations = operations
        self.tokenOwners = tokenOwners
        self.containers = containers
        self.orphans = orphans
        self.images = images
        self.audit = audit
        self.templates = templates
        self.tokens = tokens
        self.clock = clock
        self.random = random
        self.log = log
    }
}
