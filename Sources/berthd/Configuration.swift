import Images
import Model
import Sweeper

/// What the operator chose, read once from the environment. Anything unset has a safe default.
struct Configuration: Sendable {
    var bindAddress: String
    var port: Int
    /// nil: the gateway of the workspace network.
    var agentsHost: String?
    var agentsPort: Int
    var platformURL: String?
    var externalPlatformURL: String?
    var adminToken: String?
    var developmentMode: Bool
    var addressMode: AddressPolicy.Mode
    var stateDirectory: String
    var databaseURL: String?
    var instanceID: InstanceID?
    var secretsKey: String?
    var engineSocket: String
    var networkName: String?
    var engineTimeout: Duration
    var pullStall: Duration
    var imagePlatform: String?
    var images: ImageSettings
    var registryUser: String?
    var registryToken: String?
    /// Host -> `{"username", "password"}`.
    var registryLogins: JSONValue?
    /// The directory of Docker's `config.json`.
    var dockerConfig: String?
    var insecureRegistries: [String]
    var templates: String
    var defaultTier: Int
    var allowedTiers: [Int]
    /// Tier -> MiB and CPU shares (1024 = one processor).
    var tierMemory: [Int: Int]
    var tierShares: [Int: Int]
    var pidsLimit: Int
    var workspaceRoots: [String]
    var concurrentProvisions: Int
    var provisionTimeout: Int?
    var recoveryInterval: Duration
    var stopGrace: Duration
    var reconcile: ReconcilePolicy
    var orphans: OrphanPolicy
    var orphanInterval: Duration
    var idleTimeout: String?
    var logLevel: LogLevel
    var shutdownGrace: Duration
    /// What was ignored, and what is used instead.
    var problems: [String]

    var bindsLoopback: Bool { bindAddress == "localhost" || bindAddress == "::1" || bindAddress.hasPrefix("127.") }

    init(environment: [String: String], isRoot: Bool) throws {
        var read = EnvironmentReader(environment)
        bindAddress = read.text(.bindAddress) ?? "127.0.0.1"
        port = read.number(.port, default: 8080, in: 0...65_535)
        (agentsHost, agentsPort) = try Self.agentsAddress(read.text(.agentListen))
        platformURL = read.text(.platformURL).map(Self.withoutTrailingSlash)
        externalPlatformURL = read.text(.externalPlatformURL).map(Self.withoutTrailingSlash)
        adminToken = read.text(.adminToken)
        developmentMode = ["development", "dev"].contains(read.text(.environmentMode)?.lowercased())
        addressMode = Self.addressMode(
            deploy: read.text(.deployMode), organisation: read.text(.organisationID), development: developmentMode)
        stateDirectory = StateDirectory.path(environment: environment, isRoot: isRoot)
        databaseURL = read.text(.databaseURL)
        instanceID = try Self.instanceID(read.text(.instanceID))
        secretsKey = environment[EnvironmentName.secretsKey.rawValue].flatMap { $0.isEmpty ? nil : $0 }
        engineSocket = try Self.engineSocket(read.text(.dockerHost))
        networkName = read.text(.dockerNetwork)
        engineTimeout = read.seconds(.engineTimeout, default: 60)
        pullStall = read.seconds(.pullStall, default: 120)
        imagePlatform = read.text(.imagePlatform)
        images = Self.imageSettings(&read, stall: pullStall)
        registryUser = read.text(.ghcrUser)
        registryToken = read.text(.ghcrToken)
        registryLogins = read.object(.registryLogins)
        dockerConfig = read.text(.dockerConfig) ?? environment["HOME"].map { "\($0)/.docker" }
        insecureRegistries = (read.text(.insecureRegistries) ?? "").split(separator: ",").map { String($0).trimmed }
        templates = read.text(.templates) ?? "templates"
        defaultTier = read.number(.defaultTier, default: 2, in: 1...4)
        allowedTiers = read.numbers(.allowedTiers, default: [1, 2], in: 1...4)
        tierMemory = Self.tiers([.tier1Memory, .tier2Memory, .tier3Memory, .tier4Memory], defaults: [512, 512, 2048, 4096], &read)
        tierShares = Self.tiers([.tier1CPU, .tier2CPU, .tier3CPU, .tier4CPU], defaults: [1024, 1024, 2048, 4096], &read)
        pidsLimit = read.number(.pidsLimit, default: 1024, in: 16...1_000_000)
        workspaceRoots = (read.text(.workspaceRoots) ?? "").split(separator: ":").map(String.init)
        concurrentProvisions = read.number(.concurrentProvisions, default: 4, in: 1...64)
        provisionTimeout = read.text(.provisionTimeout) == nil ? nil : read.number(.provisionTimeout, default: 600, in: 1...86_400)
        recoveryInterval = read.seconds(.recoveryInterval, default: 15)
        stopGrace = read.seconds(.stopGrace, default: 10)
        reconcile = Self.reconcilePolicy(&read, provisionTimeout: provisionTimeout)
        orphans = Self.orphanPolicy(&read)
        orphanInterval = read.seconds(.orphanInterval, default: 60)
        idleTimeout = environment[EnvironmentName.idleTimeout.rawValue]
        logLevel = read.level(.logLevel)
        shutdownGrace = read.seconds(.shutdownGrace, default: 10)
        problems = read.problems
    }

    private static func tiers(_ names: [EnvironmentName], defaults: [Int], _ read: inout EnvironmentReader) -> [Int: Int] {
        var values: [Int: Int] = [:]
        for (index, name) in names.enumerated() { values[index + 1] = read.number(name, default: defaults[index], in: 1...16_777_216) }
        return values
    }

    private static func reconcilePolicy(_ read: inout EnvironmentReader, provisionTimeout: Int?) -> ReconcilePolicy {
        var policy = ReconcilePolicy()
        policy.timeouts = ProvisionTimeouts(override: provisionTimeout)
        policy.agentStale = read.seconds(.livenessStale, default: 180)
        policy.externalStale = read.seconds(.remoteLivenessStale, default: 90)
        policy.restarts.budget = read.number(.restartBudget, default: 5, in: 1...1000)
        policy.restarts.window = read.seconds(.restartWindow, default: 600)
        policy.restarts.longestPause = read.seconds(.restartBackoffMax, default: 60)
        return policy
    }

    private static func orphanPolicy(_ read: inout EnvironmentReader) -> OrphanPolicy {
        var policy = OrphanPolicy()
        policy.mode = read.choice(.orphanMode, default: .enforce)
        policy.grace = read.seconds(.orphanGrace, default: 600)
        policy.mostPerCycle = read.number(.orphanMost, default: 5, in: 1...10_000)
        policy.hold = read.seconds(.orphanHold, default: 1800)
        policy.retention = .seconds(3600 * read.number(.volumeRetention, default: 168, in: 1...87_600))
        return policy
    }

    private static func imageSettings(_ read: inout EnvironmentReader, stall: Duration) -> ImageSettings {
        var settings = ImageSettings()
        settings.pullPolicy = read.choice(.imagePullPolicy, default: .missing)
        settings.overrides = read.strings(.imageOverrides)
        settings.mirror = read.text(.registryMirror)
        settings.stallLimit = stall
        settings.leastFreeBytes = Int64(read.number(.imageMinimumFree, default: 512, in: 0...1_000_000_000)) << 20
        settings.watches = read.text(.imageAutoRefresh)?.lowercased() == "true"
        settings.checkInterval = read.seconds(.imageCheckInterval, default: 300)
        settings.proofLimit = read.seconds(.refreshProof, default: 120)
        settings.busyLimit = read.seconds(.refreshBusy, default: 600)
        settings.width = read.number(.refreshParallel, default: 1, in: 1...64)
        settings.retention = .seconds(3600 * read.number(.imageRetention, default: 72, in: 0...87_600))
        return settings
    }

    private static func withoutTrailingSlash(_ url: String) -> String { url.hasSuffix("/") ? String(url.dropLast()) : url }

    private static func agentsAddress(_ text: String?) throws -> (String?, Int) {
        guard let text else { return (nil, 8081) }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard let port = parts.last.flatMap({ Int($0) }), (0...65_535).contains(port) else {
            throw Failure(
                .configurationInvalid, "AGENT_LISTEN=\(text) is not HOST:PORT or :PORT",
                next: "Set it to, for example, :8081 or 172.18.0.1:8081.")
        }
        let host = parts.dropLast().joined(separator: ":")
        return (host.isEmpty ? nil : host, port)
    }

    private static func addressMode(deploy: String?, organisation: String?, development: Bool) -> AddressPolicy.Mode {
        if development { return .development }
        if let deploy { return deploy.lowercased() == "saas" ? .saas : .strict }
        return organisation == nil ? .strict : .saas
    }

    private static func instanceID(_ text: String?) throws -> InstanceID? {
        guard let text else { return nil }
        guard let id = InstanceID(text) else {
            throw Failure(
                .configurationInvalid, "MOLECULE_INSTANCE_ID is not 4 to 64 letters, digits, dots, dashes or underscores",
                next: "Choose another, or unset it to have one made.")
        }
        return id
    }

    private static func engineSocket(_ text: String?) throws -> String {
        guard let text else { return "/var/run/docker.sock" }
        guard text.hasPrefix("unix://"), text.count > 7 else {
            throw Failure(
                .configurationInvalid, "DOCKER_HOST=\(text) is not a unix socket",
                next: "Set it to unix:///path/to/docker.sock, or unset it.")
        }
        return String(text.dropFirst(7))
    }
}
