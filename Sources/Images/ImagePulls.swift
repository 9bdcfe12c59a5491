import Model
import Synchronization

/// One pull for each image, however many wait for it. It ends when the last of them has gone.
final class ImagePulls: Sendable {
    private struct Waiter {
        let report: @Sendable (PullReport) -> Void
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct Flight {
        let number: Int
        var task: Task<Void, Never>?
        var waiters: [Int: Waiter] = [:]
        var meter: PullMeter
    }

    private struct State {
        var nextNumber = 0
        var flights: [String: Flight] = [:]
        /// Waiters that were cancelled before they could join.
        var gone: Set<Int> = []

        mutating func number() -> Int {
            nextNumber += 1
            return nextNumber
        }
    }

    private let stallLimit: Duration
    private let clock: any TimeSource
    private let state = Mutex(State())

    init(stallLimit: Duration, clock: any TimeSource) {
        self.stallLimit = stallLimit
        self.clock = clock
    }

    /// How the pull of `reference` goes now; nil when there is none.
    func report(of reference: String) -> PullReport? {
        let now = clock.now()
        return state.withLock { $0.flights[reference]?.meter.report(at: now, stallLimit: stallLimit) }
    }

    /// Joins the pull of `reference` that is under way, or begins one by `body`, and waits for its end. Throws what `body` throws, and
    /// `CancellationError` to a waiter that is cancelled.
    func pull(
        _ reference: String, report: @escaping @Sendable (PullReport) -> Void,
        _ body: @escaping @Sendable (_ progress: @escaping @Sendable (PullProgress) -> Void) async throws -> Void
    ) async throws {
        let waiter = state.withLock { $0.number() }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                join(reference, waiter, Waiter(report: report, continuation: continuation), body)
            }
        } onCancel: {
            leave(reference, waiter)
        }
    }

    private func join(
        _ reference: String, _ number: Int, _ waiter: Waiter,
        _ body: @escaping @Sendable (_ progress: @escaping @Sendable (PullProgress) -> Void) async throws -> Void
    ) {
        let now = clock.now()
        let joined = state.withLock { state -> Bool in
            if state.gone.remove(number) != nil { return false }
            if state.flights[reference] == nil {
                let flight = state.number()
                state.flights[reference] = Flight(number: flight, meter: PullMeter(startedAt: now))
                // Made under the lock, so that a pull which ends at once finds itself in the table.
                state.flights[reference]?.task = Task { await self.fly(reference, flight, body) }
            }
            state.flights[reference]?.waiters[number] = waiter
            return true
        }
        if !joined { waiter.continuation.resume(throwing: CancellationError()) }
    }

    private func fly(
        _ reference: String, _ flight: Int,
        _ body: @escaping @Sendable (_ progress: @escaping @Sendable (PullProgress) -> Void) async throws -> Void
    ) async {
        let watch = Task { await self.watchForStalls(reference, flight) }
        let outcome: Result<Void, any Error>
        do {
            try await body { self.moved(reference, flight, $0) }
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        watch.cancel()
        land(reference, flight, outcome)
    }

    private func land(_ reference: String, _ flight: Int, _ outcome: Result<Void, any Error>) {
        let waiters = state.withLock { state -> [Waiter] in
            guard let landed = state.flights[reference], landed.number == flight else { return [] }
            state.flights[reference] = nil
            return Array(landed.waiters.values)
        }
        for waiter in waiters { waiter.continuation.resume(with: outcome) }
    }

    /// The one who leaves last ends the pull; who asks next begins another.
    private func leave(_ reference: String, _ number: Int) {
        let (waiter, task) = state.withLock { state -> (Waiter?, Task<Void, Never>?) in
            guard let waiter = state.flights[reference]?.waiters.removeValue(forKey: number) else {
                state.gone.insert(number)
                return (nil, nil)
            }
            guard state.flights[reference]?.waiters.isEmpty == true else { return (waiter, nil) }
            return (waiter, state.flights.removeValue(forKey: reference)?.task)
        }
        waiter?.continuation.resume(throwing: CancellationError())
        task?.cancel()
    }

    private func moved(_ reference: String, _ flight: Int, _ progress: PullProgress) {
        tell(reference, flight) { $0.add(progress, at: $1) }
    }

    private func tell(_ reference: String, _ flight: Int, _ change: (inout PullMeter, Timestamp) -> Void) {
        let now = clock.now()
        let (report, waiters) = state.withLock { state -> (PullReport?, [Waiter]) in
            guard var current = state.flights[reference], current.number == flight else { return (nil, []) }
            change(&current.meter, now)
            state.flights[reference] = current
            return (current.meter.report(at: now, stallLimit: stallLimit), Array(current.waiters.values))
        }
        guard let report else { return }
        for waiter in waiters { waiter.report(report) }
    }

    /// Silence is told once a second as long as it lasts, so that who comes later sees it, too.
    private func watchForStalls(_ reference: String, _ flight: Int) async {
        while (try? await clock.sleep(for: .seconds(1))) != nil {
            let now = clock.now()
            let stalled = state.withLock { state in
                guard let current = state.flights[reference], current.number == flight else { return false }
                return now - current.meter.movedAt >= stallLimit
            }
            if stalled { tell(reference, flight) { _, _ in } }
        }
    }
}
