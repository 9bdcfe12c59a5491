import API
import Docker
import Events
import HTTP
import HTTPClient
import HTTPServer
import Model
import Provisioner
import Proxy
import Registry
import Secrets
import Store
import Sweeper
import Templates

/// The daemon, put together: the only place that knows which engine, which database and which libraries are in use.
struct Services: Sendable {
    let configuration: Configuration
    let log: StandardErrorLog
    let store: any WorkspaceStore
    let provisioner: WorkspaceProvisioner
    let supervisor: Supervisor
    let agentsDoor: AgentsDoor
    let transport: CurlTransport
    let api: BerthAPI
    /// In the order they are started; they are stopped in the reverse.
    let loops: [Service]

    /// Opens the store and wires everything. Nothing listens and no loop runs yet.
    static func build(_ configuration: Configuration, home: StateHome, log: StandardErrorLog) async throws -> Services {
        let clock = SystemClock()
        let random = SodiumRandom()
        let tokens = TokenMaker(random: random)
        let identity = try Identity(configuration: configuration, home: home, tokens: tokens, random: random)
        let hub = EventHub()
        let location: StoreLocation =
            configuration.databaseURL.map { .postgres(url: $0) } ?? .sqlite(path: StateFile.database.path(in: home.path))
        let store = try await openStore(
            location, instance: identity.instance, sealer: SecretSealer(key: identity.sealingKey, random: random), clock: clock,
            random: random,
            log: log, onCommitted: { hub.publish($0) })
        let transport = CurlTransport()
        let engine = engine(configuration, instance: identity.instance, transport: transport, log: log)
        let templates = TemplateDirectory(path: configuration.templates, clock: clock, log: log)
        let urlGuard = AgentURLGuard(mode: configuration.addressMode, resolver: SystemResolver())
        let timeouts = ProvisionTimeouts(override: configuration.provisionTimeout)
        let supervisor = Supervisor(clock: clock, log: log)
        let provisioner = WorkspaceProvisioner(
            records: store, backend: engine, templates: templates, tokens: tokens, addressGuard: urlGuard, live: hub, clock: clock,
            random: random, log: log, settings: provisionSettings(configuration))
        let recovery = RecoveryLoop(
            records: store, containers: engine, recovery: provisioner, templates: templates, timeouts: timeouts, clock: clock, log: log,
            interval: configuration.recoveryInterval)
        var services = APIServices(
            provisioner: provisioner,
            registry: AgentRegistry(
                records: store, containers: engine, urlGuard: urlGuard, tokens: tokens, live: hub, clock: clock, log: log),
            proxy: AgentProxy(
                workspaces: store, containers: engine, urlGuard: urlGuard, transport: transport, events: hub, publish: hub, clock: clock,
                random: random, log: log, settings: proxySettings(configuration, log)),
            feed: EventFeed(stored: store, live: hub), workspaces: store, operations: store, tokenOwners: store, containers: engine,
            orphans: NoOrphans(), audit: store, templates: templates, tokens: tokens, clock: clock, random: random, log: log)
        let door = DoorReference()
        services.probes = probes(store: store, engine: engine, door: door, supervisor: supervisor, clock: clock)
        services.loops = { supervisor.ticks }
        let api = BerthAPI(services: services, settings: apiSettings(configuration, identity: identity, startedAt: clock.now()))
        let agentsDoor = AgentsDoor(
            network: engine, fixedHost: configuration.agentsHost, port: configuration.agentsPort, handler: api.handler(for: .agents),
            clock: clock, log: log)
        door.set(agentsDoor)
        return Services(
            configuration: configuration, log: log, store: store, provisioner: provisioner, supervisor: supervisor, agentsDoor: agentsDoor,
            transport: transport, api: api,
            loops: loops(agentsDoor: agentsDoor, recovery: recovery, store: store, configuration: configuration, clock: clock, log: log))
    }

    private static func engine(_ configuration: Configuration, instance: InstanceID, transport: CurlTransport, log: StandardErrorLog)
        -> LocalEngine
    {
        LocalEngine(
            settings: EngineSettings(
                socketPath: configuration.engineSocket, callDeadline: configuration.engineTimeout,
                createDeadline: configuration.engineTimeout * 3, pullStall: configuration.pullStall, platform: configuration.imagePlatform),
            instance: instance, networkName: configuration.networkName ?? "berth-\(instance.prefix8)",
            credentials: RegistryCredentials(user: configuration.registryUser, token: configuration.registryToken), transport: transport,
            log: log)
    }

    private static func provisionSettings(_ configuration: Configuration) -> ProvisionSettings {
        var settings = ProvisionSettings()
        settings.platformURL = configuration.platformURL
        settings.agentsPort = configuration.agentsPort
        settings.defaultTier = configuration.defaultTier
        settings.allowedTiers = Set(configuration.allowedTiers)
        for tier in 1...4 {
            guard let memory = configuration.tierMemory[tier], let shares = configuration.tierShares[tier] else { continue }
            settings.tierLimits[tier] = ProvisionSettings.Limits(memoryMegabytes: memory, cpuShares: shares)
        }
        settings.pidsLimit = configuration.pidsLimit
        settings.maxConcurrentProvisions = configuration.concurrentProvisions
        settings.workspaceDirectoryRoots = configuration.workspaceRoots
        settings.imagePlatform = configuration.imagePlatform
        settings.developmentMode = configuration.developmentMode
        return settings
    }

    private static func proxySettings(_ configuration: Configuration, _ log: StandardErrorLog) -> ProxySettings {
        var settings = ProxySettings()
        let idle = ProxySettings.idleTimeout(parsing: configuration.idleTimeout)
        if let warning = idle.warning { log.warning(warning) }
        settings.idleTimeout = idle.timeout
        return settings
    }

    private static func apiSettings(_ configuration: Configuration, identity: Identity, startedAt: Timestamp) -> APISettings {
        var settings = APISettings(adminToken: identity.adminToken, startedAt: startedAt, version: BerthVersion.text)
        settings.adminTokenWasGenerated = identity.adminTokenWasGenerated
        settings.developmentMode = configuration.developmentMode
        settings.peopleDoorIsLoopback = configuration.bindsLoopback
        settings.externalPlatformURL = configuration.externalPlatformURL
        settings.provisionTimeouts = ProvisionTimeouts(override: configuration.provisionTimeout)
        return settings
    }

    private static func loops(
        agentsDoor: AgentsDoor, recovery: RecoveryLoop, store: any StoreProbing, configuration: Configuration, clock: SystemClock,
        log: StandardErrorLog
    ) -> [Service] {
        [
            Service(
                name: "agents-door", expectedInterval: .seconds(10),
                run: { tick in try await agentsDoor.run(every: .seconds(10), tick: tick) }),
            Service(
                name: "recovery", expectedInterval: configuration.recoveryInterval, health: { (recovery.lastTick, recovery.lastError) },
                run: { _ in await recovery.run() }),
            Service(
                name: "store-watch", expectedInterval: .seconds(10),
                run: { tick in try await StoreWatch(store: store, clock: clock, log: log).run(every: .seconds(10), tick: tick) }),
        ]
    }
}

/// Stands where the keeper of orphans will stand: there are none.
private struct NoOrphans: OrphanKeeping {
    var banner: String? { nil }
    func report() async throws -> OrphanReport { OrphanReport(mode: "off", banner: nil, holdUntil: nil, entries: [], strangers: []) }
    func perform(_ act: OrphanAct, on ids: [WorkspaceID]?, dryRun: Bool) async throws -> [OrphanOutcome] {
        guard let id = ids?.first else { return [] }
        throw Failure(.orphanNotFound, "there is no orphan \(id)", next: "GET /admin/orphans lists them.")
    }
}
