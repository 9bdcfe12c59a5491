import Model

/// When a provision pulls.
public enum PullPolicy: String, Sendable, CaseIterable {
    /// Only what the engine does not have.
    case missing
    /// Every time, whatever the engine has.
    case always
    case never
}

/// What the operator decides about images.
public struct ImageSettings: Sendable {
    /// `IMAGE_PULL_POLICY`
    public var pullPolicy = PullPolicy.missing
    /// `REGISTRY_MIRROR`: a registry that is asked before an image's own.
    public var mirror: String?
    /// `WORKSPACE_IMAGE_OVERRIDES`: runtime -> image reference.
    public var overrides: [String: String] = [:]
    /// `IMAGE_PULL_STALL_SECONDS`: silence after which a pull is told as stalled.
    public var stallLimit: Duration = .seconds(120)
    /// How often a pull is tried when its registry is busy or fails.
    public var pullTries = 5
    /// `IMAGE_MIN_FREE_MB`: with less room than this no pull is begun.
    public var leastFreeBytes: Int64 = 512 << 20
    /// `IMAGE_AUTO_REFRESH`
    public var watches = false
    /// `IMAGE_CHECK_INTERVAL_SECONDS`
    public var checkInterval: Duration = .seconds(300)
    /// `REFRESH_PROOF_SECONDS`: how long a new version may take to show that it works.
    public var proofLimit: Duration = .seconds(120)
    /// `REFRESH_BUSY_SECONDS`: how long a refresh waits for an agent that is at work.
    public var busyLimit: Duration = .seconds(600)
    /// `REFRESH_PARALLEL`: workspaces of one image replaced at once.
    public var width = 1
    /// `IMAGE_RETENTION_HOURS`: how long an image that nothing is meant to run is kept.
    public var retention: Duration = .seconds(72 * 3600)

    public init() {}
}
