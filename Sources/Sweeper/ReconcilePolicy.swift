public import Model

/// How often a container may end before it is left stopped, and how long it rests in between.
public struct RestartPolicy: Sendable, Hashable {
    /// More ends than this within `window` are a crash loop.
    public var budget = 5
    public var window: Duration = .seconds(600)
    /// The first restart is immediate; the second waits this long, each further one twice as long as the one before.
    public var shortestPause: Duration = .seconds(1)
    public var longestPause: Duration = .seconds(60)
    /// An agent that stays silent through this many restarts in a row will not come.
    public var silentRestarts = 3

    public init() {}

    public func isSpent(by ends: Int) -> Bool { ends > budget }

    public func pause(after ends: Int) -> Duration {
        guard ends > 1 else { return .zero }
        // Shifting further than this would only overflow: every later pause is the longest one.
        return min(shortestPause * (1 << min(ends - 2, 16)), longestPause)
    }
}

/// What the operator decides about the life of workspaces.
public struct ReconcilePolicy: Sendable, Hashable {
    public var restarts = RestartPolicy()
    /// Silence after which an agent we started is offline.
    public var agentStale: Duration = .seconds(180)
    /// `REMOTE_LIVENESS_STALE_AFTER`: the same for an agent that lives elsewhere.
    public var externalStale: Duration = .seconds(90)
    public var timeouts = ProvisionTimeouts()

    public init() {}
}

/// An end that the engine's events told of.
public struct ObservedExit: Sendable, Hashable {
    public let code: Int?
    /// The engine's own time.
    public let at: Timestamp

    public init(code: Int?, at: Timestamp) {
        self.code = code
        self.at = at
    }
}

/// When each workspace's container ended, and when we restarted a silent one, as far back as the policy asks. Lost with the process:
/// then a loop has a fresh budget, which is the harmless mistake.
public struct CrashLedger: Sendable {
    private var ends: [WorkspaceID: [Timestamp]] = [:]
    private var silences: [WorkspaceID: [Timestamp]] = [:]

    public init() {}

    public mutating func noteEnd(of id: WorkspaceID, at: Timestamp, window: Duration) {
        ends[id] = Self.recent(ends[id, default: []], at, window) + [at]
    }

    public mutating func noteSilentRestart(of id: WorkspaceID, at: Timestamp) { silences[id] = silences[id, default: []].suffix(16) + [at] }

    /// An engine that goes away takes its containers with it: that is none of theirs.
    public mutating func forgiveEnds(since: Timestamp) {
        for (id, times) in ends { ends[id] = times.filter { $0 < since } }
        ends = ends.filter { !$0.value.isEmpty }
    }

    /// Somebody asked for a fresh start.
    public mutating func forget(_ id: WorkspaceID) {
        ends[id] = nil
        silences[id] = nil
    }

    public func ends(of id: WorkspaceID, now: Timestamp, window: Duration) -> [Timestamp] {
        Self.recent(ends[id, default: []], now, window)
    }

    /// Restarts of a silent agent since it was last heard.
    public func silentRestarts(of id: WorkspaceID, since heard: Timestamp?) -> Int {
        silences[id, default: []].count { time in heard.map { time > $0 } ?? true }
    }

    private static func recent(_ times: [Timestamp], _ now: Timestamp, _ window: Duration) -> [Timestamp] {
        times.filter { now - $0 <= window }
    }
}
