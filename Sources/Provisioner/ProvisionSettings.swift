/// What the operator decides about provisioning.
public struct ProvisionSettings: Sendable {
    /// Processor and memory of one tier.
    public struct Limits: Sendable, Hashable {
        public let memoryMegabytes: Int
        /// 1024 is one processor.
        public let cpuShares: Int

        public init(memoryMegabytes: Int, cpuShares: Int) {
            self.memoryMegabytes = memoryMegabytes
            self.cpuShares = cpuShares
        }
    }

    /// `PLATFORM_URL`: where agents find this daemon; nil means the agents' door.
    public var platformURL: String?
    public var agentsPort = 8081
    public var defaultRuntime = "langgraph"
    /// `DEFAULT_TIER`
    public var defaultTier = 2
    /// `ALLOWED_TIERS`
    public var allowedTiers: Set<Int> = [1, 2]
    /// `TIERn_MEMORY_MB`, `TIERn_CPU_SHARES`
    public var tierLimits: [Int: Limits] = Self.standardLimits
    /// `WORKSPACE_PIDS_LIMIT`
    public var pidsLimit = 1024
    /// `MAX_CONCURRENT_PROVISIONS`
    public var maxConcurrentProvisions = 4
    /// `WORKSPACE_DIR_ROOTS`: only directories under one of these are mounted; none means no host directory at all.
    public var workspaceDirectoryRoots: [String] = []
    /// `WORKSPACE_IMAGE_OVERRIDES`: runtime -> image reference; goes before a template's.
    public var imageOverrides: [String: String] = [:]
    /// `MOLECULE_IMAGE_PLATFORM`, for example `linux/amd64`; nil leaves it to the engine.
    public var imagePlatform: String?
    /// `AWARENESS_URL`
    public var awarenessURL: String?
    /// `MOLECULE_ENV=development`: an external workspace that names its url is online at once.
    public var developmentMode = false
    /// `STOP_GRACE_SECONDS`: how long a container may take to end by itself when it is stopped.
    public var stopGrace: Duration = .seconds(10)
    /// How long a delete, a pause or a hibernation waits for the engine, for each workspace.
    public var deleteTimeout: Duration = .seconds(30)

    public static let standardLimits: [Int: Limits] = [
        1: Limits(memoryMegabytes: 512, cpuShares: 1024), 2: Limits(memoryMegabytes: 512, cpuShares: 1024),
        3: Limits(memoryMegabytes: 2048, cpuShares: 2048), 4: Limits(memoryMegabytes: 4096, cpuShares: 4096),
    ]

    public init() {}
}
