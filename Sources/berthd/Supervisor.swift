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

/// Runs every loop, starts it again with a growing pause when it fails, and knows when each last finished a round.
final class Supervisor: Sendable {
    struct Pulse: Sendable {
        let startedAt: Timestamp
        var lastTick: Timestamp
        let expectedInterval: Duration
        var restarts = 0
        var lastError: String?
    }

    private let clock: any TimeSource
    private let log: any LogSink
    private let pulses: Mutex<[String: Pulse]> = Mutex([:])
    private let healths: Mutex<[String: @Sendable () -> (lastTick: Timestamp?, lastError: ErrorCode?)]> = Mutex([:])

    init(clock: any TimeSource, log: any LogSink) {
        self.clock = clock
        self.log = log
    }

    var snapshot: [String: Pulse] {
        let health = healths.withLock { $0 }
        return pulses.withLock { $0 }.reduce(into: [:]) { result, entry in
            var pulse = entry.value
            if let own = health[entry.key]?() {
                pulse.lastTick = own.lastTick ?? pulse.startedAt
                pulse.lastError = own.lastError?.rawValue ?? pulse.lastError
            }
            result[entry.key] = pulse
        }
    }

    /// Names of loops that have not finished a round in three of their intervals (and at least ten seconds).
    var staleLoops: [String] {
        let now = clock.now()
        return snapshot.filter { now - $0.value.lastTick > max($0.value.expectedInterval * 3, .seconds(10)) }.map(\.key).sorted()
    }

    func run(_ services: [Service]) async {
        await withTaskGroup(of: Void.self) { group in
            for service in services { group.addTask { await self.keepRunning(service) } }
        }
    }

    private func keepRunning(_ service: Service) async {
        pulses.withLock {
            $0[service.name] = Pulse(startedAt: clock.now(), lastTick: clock.now(), expectedInterval: service.expectedInterval)
        }
        if let health = service.health { healths.withLock { $0[service.name] = health } }
        var pause = Duration.seconds(1)
        while !Task.isCancelled {
            let startedAt = clock.now()
            do {
                try await service.run { [self] in
                    pulses.withLock { $0[service.name]?.lastTick = clock.now() }
                }
            } catch is CancellationError {
                return
            } catch {
                note(error, of: service)
            }
            if Task.isCancelled { return }
            // A loop that ran well for a minute starts over with the shortest pause.
            pause = clock.now() - startedAt > .seconds(60) ? .seconds(1) : min(pause * 2, .seconds(30))
            guard (try? await clock.sleep(for: pause)) != nil else { return }
        }
    }

    private func note(_ error: any Error, of service: Service) {
        let text = (error as? any CodedError)?.description ?? String(describing: error)
        pulses.withLock {
            $0[service.name]?.restarts += 1
            $0[service.name]?.lastError = text
        }
        log.error("loop failed and is started again", ("loop", service.name), ("error", text))
    }
}
