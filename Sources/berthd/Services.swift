import API
import Distribution
import Docker
import Events
import HTTP
import HTTPClient
import HTTPServer
import Images
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
        try identity.remember(in: home)
        let transport = CurlTransport()
        let logins = logins(configuration, log)
        let engine = engine(configuration, instance: identity.instance, logins: logins, transport: transport, log: log)
        let templates = TemplateDirectory(path: configuration.templates, clock: clock, log: log)
        let urlGuard = AgentURLGuard(mode: configuration.addressMode, resolver: SystemResolver())
        let supervisor = Supervisor(clock: clock, log: log)
        let registry = RegistryClient(
            transport: transport, logins: logins, insecure: Set(configuration.insecureRegistries), clock: clock)
        let supply = ImageSupply(
            engine: engine, registry: registry, records: store, settings: configuration.images, metrics: ImageMetrics(), clock: clock,
            random: random, log: log)
        let provisioner = WorkspaceProvisioner(
            records: store, backend: engine, templates: templates, tokens: tokens, addressGuard: urlGuard, images: supply,
            cards: AgentCardProbe(transport: transport), live: hub, clock: clock, random: random, log: log,
            settings: provisionSettings(configuration))
        let images = ImageKeeper(
            supply: supply, engine: engine, records: store, templates: templates, trying: provisioner, random: random)
        let door = DoorReference()
        let reconciler = ReconcileLoop(
            records: store, containers: engine, reconciler: provisioner, templates: templates, policy: configuration.reconcile,
            clock: clock, log: log, interval: configuration.recoveryInterval, isListening: { door.isOpen })
        let orphans = OrphanKeeper(
            records: store, engine: engine, reconciler: provisioner, templates: templates, tokens: tokens, policy: configuration.orphans,
            instance: identity.instance, stopGrace: configuration.stopGrace, clock: clock, log: log, onAdopted: { reconciler.wake() })
        // What an earlier process left open is taken up by the reconciler, as work of its own.
        try await store.interruptOperations()
        var services = APIServices(
            provisioner: provisioner,
            registry: AgentRegistry(
                records: store, containers: engine, urlGuard: urlGuard, tokens: tokens, live: hub, clock: clock, log: log),
            proxy: AgentProxy(
                workspaces: store, containers: engine, urlGuard: urlGuard, transport: transport, events: hub, publish: hub,
                waking: provisioner,
                clock: clock,
                random: random, log: log, settings: proxySettings(configuration, log)),
            feed: EventFeed(stored: store, live: hub), workspaces: store, operations: store, tokenOwners: store, containers: engine,
            orphans: orphans, images: images, audit: store, templates: templates, tokens: tokens, clock: clock, random: random, log: log)
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
            loops: loops(
                agentsDoor: agentsDoor, reconciler: reconciler, orphans: orphans, images: images, store: store,
                configuration: configuration, clock: clock,
                log: log))
    }

    private static func logins(_ configuration: Configuration, _ log: StandardErrorLog) -> RegistryLogins {
        RegistryLogins(
            own: configuration.registryLogins, ghcrUser: configuration.registryUser, ghcrToken: configuration.registryToken,
            configPath: configuration.dockerConfig.map { "\($0)/config.json" }, log: log,
            readFile: { path in (try? PrivateFile.text(path)).flatMap { $0 }.map { Array($0.utf8) } })
    }

    private static func engine(
        _ configuration: Configuration, instance: InstanceID, logins: RegistryLogins, transport: CurlTransport, log: StandardErrorLog
    ) -> LocalEngine {
        LocalEngine(
            settings: EngineSettings(
                socketPath: configuration.engineSocket, callDeadline: configuration.engineTimeout,
                createDeadline: configuration.engineTimeout * 3, pullStall: configuration.pullStall * 3,
                platform: configuration.imagePlatform),
            instance: instance, networkName: configuration.networkName ?? "berth-\(instance.prefix8)",
            logins: logins, transport: transport, clock: SystemClock(), log: log)
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
        settings.imageOverrides = configuration.images.overrides
        settings.stopGrace = configuration.stopGrace
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
        settings.provisionTimeouts = configuration.reconcile.timeouts
        return settings
    }

    private static func loops(
        agentsDoor: AgentsDoor, reconciler: ReconcileLoop, orphans: OrphanKeeper, images: ImageKeeper, store: any StoreProbing,
        configuration: Configuration, clock: SystemClock,
        log: StandardErrorLog
    ) -> [Service] {
        [
            Service(
                name: "agents-door", expectedInterval: .seconds(10),
                run: { tick in try await agentsDoor.run(every: .seconds(10), tick: tick) }),
            Service(
                name: "reconcile", expectedInterval: configuration.recoveryInterval,
                health: { (reconciler.lastTick, reconciler.lastError) }, run: { _ in await reconciler.run() }),
            Service(
                name: "orphan-sweep", expectedInterval: configuration.orphanInterval, health: { (orphans.lastTick, orphans.lastError) },
                run: { _ in await orphans.run(every: configuration.orphanInterval) }),
            Service(
                name: "images", expectedInterval: .seconds(30), health: { (images.lastTick, images.lastError) },
                run: { _ in await images.run() }),
            Service(
                name: "store-watch", expectedInterval: .seconds(10),
                run: { tick in try await StoreWatch(store: store, clock: clock, log: log).run(every: .seconds(10), tick: tick) }),
        ]
    }
}
