public import Model

/// What a probe found.
public enum ReadinessResult: Sendable, Hashable {
    case ok
    /// `message` is shown to anybody: no secret, no driver's words.
    case failing(ErrorCode, String)
}

/// One thing that must work before the daemon can serve.
public struct ReadinessProbe: Sendable {
    public let name: String
    public let check: @Sendable () async -> ReadinessResult

    public init(_ name: String, check: @escaping @Sendable () async -> ReadinessResult) {
        self.name = name
        self.check = check
    }

    public static func database(_ store: any StoreProbing) -> ReadinessProbe {
        ReadinessProbe("database") { await result(of: { try await store.probe() }) }
    }

    public static func engine(_ engine: any EngineProbing) -> ReadinessProbe {
        ReadinessProbe("engine") { await result(of: { _ = try await engine.probe() }) }
    }

    /// Fails when a loop has not ticked for three of its intervals.
    public static func loops(_ ticks: @escaping @Sendable () -> [LoopTick], clock: any TimeSource) -> ReadinessProbe {
        ReadinessProbe("loops") {
            let stale = ticks().filter { $0.isStale(at: clock.now()) }.map(\.name)
            return stale.isEmpty ? .ok : .failing(.internalError, "no fresh round of: \(stale.joined(separator: ", "))")
        }
    }

    private static func result(of check: () async throws -> Void) async -> ReadinessResult {
        do {
            try await check()
            return .ok
        } catch let error as any CodedError {
            return .failing(error.code, error.message)
        } catch {
            return .failing(.internalError, "the check failed")
        }
    }
}

/// How a loop goes: when it last did its work, and what came between.
public struct LoopTick: Sendable, Hashable {
    public let name: String
    /// When it last finished a round well; nil before the first. `since` is when the loop was registered.
    public let lastTickAt: Timestamp?
    public let since: Timestamp
    /// The longest time a healthy loop takes between two ticks.
    public let interval: Duration
    /// How often it was started again.
    public let restarts: Int
    /// Why it last failed, in words anybody may read; it stays when the loop has recovered.
    public let lastError: String?

    public init(name: String, lastTickAt: Timestamp?, since: Timestamp, interval: Duration, restarts: Int = 0, lastError: String? = nil) {
        self.name = name
        self.lastTickAt = lastTickAt
        self.since = since
        self.interval = interval
        self.restarts = restarts
        self.lastError = lastError
    }

    /// No tick for three intervals and five seconds: long enough that a busy machine is not called ill.
    public func isStale(at now: Timestamp) -> Bool { now - (lastTickAt ?? since) > interval * 3 + .seconds(5) }
}

/// Runs one probe for all who ask: at most one check at a time, its answer kept for a moment, nobody waiting longer than `patience`.
actor ProbeRunner {
    static let freshFor: Duration = .seconds(1)
    static let patience: Duration = .seconds(3)

    nonisolated let name: String
    private let probe: ReadinessProbe
    private let clock: any TimeSource
    private var last: (result: ReadinessResult, at: Timestamp)?
    private var running: Task<ReadinessResult, Never>?

    init(_ probe: ReadinessProbe, clock: any TimeSource) {
        name = probe.name
        self.probe = probe
        self.clock = clock
    }

    func result() async -> ReadinessResult {
        if let last, clock.now() - last.at < Self.freshFor { return last.result }
        let check = running ?? start()
        return await Self.first(of: check, within: Self.patience, clock)
    }

    private func start() -> Task<ReadinessResult, Never> {
        let check = Task {
            let result = await probe.check()
            last = (result, clock.now())
            running = nil
            return result
        }
        running = check
        return check
    }

    /// A check that hangs is left to itself: waiting for it would hang the asker too.
    private static func first(of check: Task<ReadinessResult, Never>, within patience: Duration, _ clock: any TimeSource) async
        -> ReadinessResult
    {
        let (answers, sender) = AsyncStream.makeStream(of: ReadinessResult.self)
        let waiting = Task { sender.yield(await check.value) }
        let deadline = Task {
            // A cancelled sleep means that the check was first.
            guard (try? await clock.sleep(for: patience)) != nil else { return }
            sender.yield(.failing(.internalError, "no answer within \(patience)"))
        }
        defer {
            waiting.cancel()
            deadline.cancel()
        }
        for await answer in answers { return answer }
        return .failing(.internalError, "the check was cancelled")
    }
}
