/// Why a registry did not say what was asked. The message names the registry, never a credential.
public struct RegistryFailure: CodedError, Equatable {
    public let code: ErrorCode
    public let message: String
    public let next: String?
    public let details: JSONObject
    /// How long the registry wants to be left alone.
    public let retryAfter: Duration?

    public init(
        _ code: ErrorCode, _ message: String, next: String? = nil, details: JSONObject = JSONObject(), retryAfter: Duration? = nil
    ) {
        self.code = code
        self.message = message
        self.next = next
        self.details = details
        self.retryAfter = retryAfter
    }
}

/// Asks registries what a tag means now.
public protocol ManifestLooking: Sendable {
    /// The digest of the reference's manifest, by one HEAD. Throws `RegistryFailure`: `image_not_found`, `pull_denied`,
    /// `registry_login_failed`, `registry_unknown`, `registry_unreachable`, `registry_error`, `rate_limited`.
    func digest(of reference: ImageReference) async throws -> String
}

/// Who pulls from a registry.
public struct RegistryLogin: Sendable, Hashable {
    public let user: String
    public let password: String
    /// Given instead of a password by a registry that logged somebody in before.
    public let identityToken: String?

    public init(user: String, password: String, identityToken: String? = nil) {
        self.user = user
        self.password = password
        self.identityToken = identityToken
    }
}

/// Finds the login for a registry. Read anew each time: people log in and out while the daemon runs.
public protocol RegistryLoginFinding: Sendable {
    /// `registry` is a host with its port, as image references spell it; nil pulls anonymously.
    func login(for registry: String) -> RegistryLogin?
}

/// What the store keeps about images. All throw `StoreError`; each verb is one transaction.
public protocol ImageRecording: Sendable {
    func trackedImages() async throws -> [TrackedImage]
    func trackedImage(_ reference: String) async throws -> TrackedImage?
    /// Inserts or replaces, notes `retired` (one that is there already keeps its time), and appends `audit`.
    func save(_ image: TrackedImage, retired: [RetiredImage], audit: [AuditEvent]) async throws
    /// Removes what is known of a reference, and notes `retired`, in one transaction.
    func forgetImage(_ reference: String, retired: [RetiredImage]) async throws
    func retiredImages() async throws -> [RetiredImage]
    func forgetRetired(_ ids: [String], audit: [AuditEvent]) async throws
}

/// How a pull goes, for those who wait for it.
public struct PullReport: Sendable, Hashable {
    public let progress: PullProgress
    /// Bytes a second over the last seconds; nil until it is known.
    public let bytesPerSecond: Int64?
    public let secondsLeft: Int?
    /// Nothing has come for the stall limit; it goes on as soon as something does.
    public let isStalled: Bool

    public init(progress: PullProgress, bytesPerSecond: Int64?, secondsLeft: Int?, isStalled: Bool) {
        self.progress = progress
        self.bytesPerSecond = bytesPerSecond
        self.secondsLeft = secondsLeft
        self.isStalled = isStalled
    }
}

/// Gives provisions the image they are to run.
public protocol ImageProviding: Sendable {
    /// The version that workspaces with this reference run now; pulled when the policy asks for it. All who ask for one image share one
    /// pull, which ends when the last of them is cancelled. Throws `CodedError`.
    func provide(_ reference: String, progress: @escaping @Sendable (PullReport) -> Void) async throws -> ImageVersion
}

/// Reads agents' cards where they serve them.
public protocol AgentCardReading: Sendable {
    /// The card that the agent at `url` answers with. Throws `CodedError` when there is none.
    func card(at url: String) async throws -> JSONValue
}

/// What came of replacing one workspace's container.
public enum ReplaceOutcome: Sendable, Equatable {
    case replaced
    /// It did not come back on the new image, and runs on the one before.
    case putBack(ImageFailure)
    /// It was not touched, in a sentence.
    case skipped(String)
}

/// Trying an image on containers. Implemented by whoever makes containers.
public protocol ImageTrying: Sendable {
    /// Runs a throwaway workspace of `template` on `image`, waits until its agent has registered and answered its card, and removes it with
    /// its volumes. Throws `CodedError` when it did not within `limit`.
    func prove(image: String, template: Template, limit: Duration) async throws
    /// Makes a new container of the workspace on the engine's image `image`. The old one is kept, stopped, and put back when the new one
    /// ends or its agent does not come within `limit`. Throws `CancellationError`, and `CodedError` when nothing could be begun.
    func replaceContainer(of id: WorkspaceID, with image: ImageVersion, limit: Duration) async throws -> ReplaceOutcome
    /// Whether nobody waits for an answer from it, and it says that it does nothing.
    func isIdle(_ id: WorkspaceID) async throws -> Bool
}

// MARK: - For people

/// How one image stands.
public struct ImageReport: Sendable {
    public let image: TrackedImage
    public let runtimes: [String]
    /// Live workspaces that name it, and those of them that run its current version.
    public var workspaces = 0
    public var onCurrent = 0
    /// It names one version for ever.
    public var isPinned = false
    /// The engine has it under this name.
    public var isHere = false
    /// It was built on this engine: no registry knows it.
    public var isBuiltHere = false
    /// nil when nobody watches it.
    public var nextCheckAt: Timestamp?
    /// The pull that is under way.
    public var pull: PullReport?

    public init(image: TrackedImage, runtimes: [String]) {
        self.image = image
        self.runtimes = runtimes
    }
}

/// A workspace that a refresh left on its version, and why.
public struct RefreshSkip: Sendable, Hashable {
    public let name: String
    public let reason: String

    public init(name: String, reason: String) {
        self.name = name
        self.reason = reason
    }
}

/// What a refresh did with one image, or would do.
public struct ImageOutcome: Sendable {
    public let reference: String
    /// The version it is about; nil when that was never learnt.
    public var version: ImageVersion?
    /// Names of the containers that were replaced.
    public var recreated: [String] = []
    public var skipped: [RefreshSkip] = []
    /// What else there is to say.
    public var note: String?
    public var failure: Failure?

    public init(reference: String) { self.reference = reference }
}

/// What a refresh or a rollback did.
public struct RefreshReport: Sendable {
    /// Runtimes whose images all succeeded, and those of which one failed.
    public let pulled: [String]
    public let failed: [String]
    public let outcomes: [ImageOutcome]
    public let dryRun: Bool

    public init(runtimes: [String], outcomes: [ImageOutcome], imagesOf: (String) -> [String], dryRun: Bool) {
        let broken = Set(outcomes.filter { $0.failure != nil }.map(\.reference))
        failed = runtimes.filter { !broken.isDisjoint(with: imagesOf($0)) }
        pulled = runtimes.filter { broken.isDisjoint(with: imagesOf($0)) }
        self.outcomes = outcomes
        self.dryRun = dryRun
    }
}

/// An image that nothing is meant to run any more, and what became of it.
public struct PrunedImage: Sendable {
    public let image: RetiredImage
    public let sizeBytes: Int64
    public var removed: Bool
    /// Why it stays; nil when it goes.
    public var reason: String?

    public init(image: RetiredImage, sizeBytes: Int64, removed: Bool, reason: String?) {
        self.image = image
        self.sizeBytes = sizeBytes
        self.removed = removed
        self.reason = reason
    }
}

/// What this process did about images.
public struct ImageCounts: Sendable, Hashable {
    public struct Pulls: Sendable, Hashable {
        public var count: Int
        /// Together.
        public var seconds: Double

        public init(count: Int, seconds: Double) {
            self.count = count
            self.seconds = seconds
        }
    }

    /// By result: `success`, `failure`, `cancelled`.
    public var pulls: [String: Pulls] = [:]
    public var bytes: Int64 = 0
    /// HEAD requests by outcome: `ok`, or a code.
    public var looks: [String: Int] = [:]
    public var accepted = 0
    public var refused = 0
    public var rollbacks = 0

    public init() {}
}

/// Looking at images and deciding about them. Throws `CodedError`; what fails with a single image is in its outcome.
public protocol ImageKeeping: Sendable {
    func report() async throws -> [ImageReport]
    /// Of these runtimes, or of all there are. Throws `runtime_unknown` with `details.known_runtimes`. A dry run changes nothing.
    func refresh(_ runtimes: [String]?, recreate: Bool, dryRun: Bool) async throws -> RefreshReport
    /// Back to the version before.
    func rollBack(_ runtime: String, dryRun: Bool) async throws -> RefreshReport
    func prune(dryRun: Bool) async throws -> [PrunedImage]
    var counts: ImageCounts { get }
}
