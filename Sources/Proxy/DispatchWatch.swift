import Model
import Synchronization

/// Cuts a dispatch whose agent has fallen silent, or that has lasted longer than it may.
///
/// Bytes of the answer and the agent's own progress count as signs of work. Heartbeats do not: they prove the process, and a process
/// whose executor hangs beats on for ever.
final class DispatchWatch: Sendable {
    /// Silence or the ceiling was reached.
    struct Expired: Error {}

    private let clock: any TimeSource
    private let window: Duration
    private let deadline: Timestamp?
    private let lastProgress: Mutex<Timestamp>
    private let events: @Sendable () -> AsyncStream<EventDelivery>

    init(window: Duration, ceiling: Duration?, clock: any TimeSource, events: @escaping @Sendable () -> AsyncStream<EventDelivery>) {
        self.clock = clock
        self.window = window
        self.events = events
        let now = clock.now()
        deadline = ceiling.map { now + $0 }
        lastProgress = Mutex(now)
    }

    var now: Timestamp { clock.now() }

    /// The agent showed a sign of work.
    func touch() {
        let now = clock.now()
        lastProgress.withLock { $0 = now }
    }

    /// Runs `operation` under the watch; when it is cut, the operation is cancelled and `Expired` thrown.
    func guarding<Value: Sendable>(_ operation: @escaping @Sendable () async throws -> Value) async throws -> Value {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            let subscription = events()
            group.addTask { try await operation() }
            group.addTask { try await self.expire() }
            group.addTask {
                for await delivery in subscription where Self.showsWork(delivery) { self.touch() }
                return nil
            }
            defer { group.cancelAll() }
            while let result = try await group.next() {
                if let result { return result }
            }
            throw CancellationError()
        }
    }

    private func expire<Value>() async throws -> Value {
        while true {
            let now = clock.now()
            let silent = lastProgress.withLock { $0 } + window
            let due = deadline.map { min($0, silent) } ?? silent
            guard now < due else { throw Expired() }
            try await clock.sleep(for: due - now)
        }
    }

    /// A gap may have hidden a sign of work, so it counts as one.
    private static func showsWork(_ delivery: EventDelivery) -> Bool {
        switch delivery {
        case .event(let event): event.kind.isAgentProgress
        case .gap: true
        }
    }
}
