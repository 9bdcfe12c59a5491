import API
import Model
import Synchronization

/// A loop that runs as long as the daemon. It returns only when its task is cancelled.
struct Service: Sendable {
    let name: String
    /// The longest time a healthy loop takes between two ticks.
    let expectedInterval: Duration
    /// For a loop that keeps its own pulse: when it last finished a round well, and why the latest failed.
    var health: (@Sendable () -> (lastTick: Timestamp?, lastError: ErrorCode?))?
    /// `tick` is called at the end of every round.
    let run: @Sendable (_ tick: @escaping @Sendable () -> Void) async throws -> Void
}

/// The pauses before a failed loop is started again: doubled each time, and short again once the loop has run well for a while.
struct RestartPause: Sendable {
    static let shortest: Duration = .seconds(1)
    static let longest: Duration = .seconds(30)
    static let healthyAfter: Duration = .seconds(60)

    private var coming = Self.shortest

    mutating func next(afterRunOf run: Duration) -> Duration {
        if run >= Self.healthyAfter { coming = Self.shortest }
        defer { coming = min(coming * 2, Self.longest) }
        return coming
    }
}

/// Runs every loop, starts it again when it fails, and knows how each goes: the one place `/readyz`, `/metrics` and `/admin/liveness` ask.
final class Supervisor: Sendable {
    private struct Pulse: Sendable {
        let since: Timestamp
        let expectedInterval: Duration
        let health: (@Sendable () -> (lastTick: Timestamp?, lastError: ErrorCode?))?
        var lastTick: Timestamp?
        var restarts = 0
        var lastError: String?
    }

    private let clock: any TimeSource
    private let log: any LogSink
    private let pulses: Mutex<[String: Pulse]> = Mutex([:])

    init(clock: any TimeSource, log: any LogSink) {
        self.clock = clock
        self.log = log
    }

    /// How every loop goes now, by name.
    var ticks: [LoopTick] {
        // A loop's own health takes a lock of its own: it is asked outside of ours.
        pulses.withLock { $0 }.sorted { $0.key < $1.key }.map { name, pulse in
            let own = pulse.health?()
            return LoopTick(
                name: name, lastTickAt: own?.lastTick ?? pulse.lastTick, since: pulse.since, interval: pulse.expectedInterval,
                restarts: pulse.restarts, lastError: own?.lastError?.rawValue ?? pulse.lastError)
        }
    }

    /// Returns when the task is cancelled and every loop has ended.
    func run(_ services: [Service]) async {
        // All are known before one runs: a loop that never comes to its first round is found stale like any other.
        for service in services { register(service) }
        await withTaskGroup(of: Void.self) { group in
            for service in services { group.addTask { await self.keepRunning(service) } }
        }
    }

    private func register(_ service: Service) {
        let pulse = Pulse(since: clock.now(), expectedInterval: service.expectedInterval, health: service.health)
        pulses.withLock { $0[service.name] = pulse }
    }

    private func keepRunning(_ service: Service) async {
        var pauses = RestartPause()
        while !Task.isCancelled {
            let startedAt = clock.now()
            let failure = await failure(of: service)
            if Task.isCancelled { return }
            let pause = pauses.next(afterRunOf: clock.now() - startedAt)
            note(failure, of: service.name, pause: pause)
            guard (try? await clock.sleep(for: pause)) != nil else { return }
        }
    }

    /// Runs `service` until it ends, which it does only by failing: nil when it simply returned.
    private func failure(of service: Service) async -> (any Error)? {
        do {
            try await service.run { [self] in
                let now = clock.now()
                pulses.withLock { $0[service.name]?.lastTick = now }
            }
            return nil
        } catch {
            return error
        }
    }

    /// People read the coded error; what anything else says is for the log alone.
    private func note(_ failure: (any Error)?, of name: String, pause: Duration) {
        let coded = (failure as? any CodedError)?.description
        let shown = coded ?? (failure == nil ? "the loop ended by itself" : "internal_error: the loop failed; the daemon's log says why")
        pulses.withLock {
            $0[name]?.restarts += 1
            $0[name]?.lastError = shown
        }
        log.error(
            "loop failed and is started again", ("loop", name), ("error", failure.map { String(describing: $0) } ?? shown),
            ("in_ms", String(pause.milliseconds)))
    }
}
