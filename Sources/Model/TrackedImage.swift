/// One image as the engine has it, by both its names: the engine's id and the digest its registry knows it by.
public struct ImageVersion: Sendable, Hashable {
    /// The engine's own id, `sha256:…`.
    public let id: String
    /// What a registry calls it, `sha256:…`; nil for an image that was built here.
    public let digest: String?

    public init(id: String, digest: String?) {
        self.id = id
        self.digest = digest
    }
}

/// What is known of one image reference that workspaces run or templates name. The engine's own tag always means the version that has proved
/// itself: a new one is pulled by its digest, and gets the tag when its proof is done.
public struct TrackedImage: Sendable, Hashable {
    /// As rows and templates write it.
    public let reference: String
    /// The registry's digest at the latest check that was acted on; nil before the first.
    public var observedDigest: String?
    public var checkedAt: Timestamp?
    /// Why the latest check failed; nil when it did not.
    public var checkFailure: ImageFailure?
    /// What workspaces run.
    public var current: ImageVersion?
    /// What they ran before, kept for a way back.
    public var previous: ImageVersion?
    /// The latest version that did not prove itself, or that somebody rolled back from.
    public var refused: RefusedImage?
    /// The latest refresh, under way or over.
    public var rollout: ImageRollout?

    public init(reference: String) { self.reference = reference }

    /// Makes `version` the current one and what it takes the place of the previous one. Returns the one before that, which nothing needs any more.
    public mutating func succeed(by version: ImageVersion) -> ImageVersion? {
        guard let former = current, former.id != version.id else {
            current = version
            return nil
        }
        let older = previous
        (previous, current) = (former, version)
        return older.flatMap { $0.id == former.id || $0.id == version.id ? nil : $0 }
    }
}

/// Why something about an image failed, as people read it.
public struct ImageFailure: Sendable, Hashable {
    public let code: ErrorCode
    public let message: String
    public let at: Timestamp

    public init(code: ErrorCode, message: String, at: Timestamp) {
        self.code = code
        self.message = message
        self.at = at
    }
}

public struct RefusedImage: Sendable, Hashable {
    public let digest: String
    public let failure: ImageFailure
    /// How often it was tried.
    public let tries: Int

    public init(digest: String, failure: ImageFailure, tries: Int) {
        self.digest = digest
        self.failure = failure
        self.tries = tries
    }
}

/// Bringing workspaces from one version of their image to another.
public struct ImageRollout: Sendable, Hashable {
    public enum State: String, Sendable, CaseIterable {
        case pulling
        /// A canary, or the first workspace, shows whether the new version works.
        case proving
        /// Workspaces are replaced, one after another.
        case rolling
        case done
        /// The new version was refused; every workspace is on the one before.
        case refused
        /// The pull, or something else about it, failed: nothing was changed.
        case failed

        public var isOver: Bool { [.done, .refused, .failed].contains(self) }
    }

    public var state: State
    /// The digest it is about, or the engine's id of an image that no registry knows.
    public let target: String
    /// Whether workspaces are replaced, or only those made later get the new version.
    public let recreates: Bool
    /// Whether it leads back to the previous version.
    public let isRollback: Bool
    public let startedAt: Timestamp
    public var endedAt: Timestamp?
    /// Workspaces that are on the target, and those that are meant to be.
    public var done = 0
    public var total = 0
    public var failure: ImageFailure?

    public init(state: State, target: String, recreates: Bool, isRollback: Bool, startedAt: Timestamp) {
        self.state = state
        self.target = target
        self.recreates = recreates
        self.isRollback = isRollback
        self.startedAt = startedAt
    }
}

/// An image of ours that nothing is meant to run any more.
public struct RetiredImage: Sendable, Hashable {
    /// The engine's id.
    public let id: String
    public let reference: String
    public let digest: String?
    public let since: Timestamp

    public init(id: String, reference: String, digest: String?, since: Timestamp) {
        self.id = id
        self.reference = reference
        self.digest = digest
        self.since = since
    }
}
