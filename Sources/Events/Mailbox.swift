import Model
import Synchronization

/// One reader's bounded queue. Putting never waits; when it is full the oldest makes room and the reader is told of the gap first.
final class Mailbox: Sendable {
    private struct State {
        var waiting: [EventDelivery] = []
        var lost = false
        var reader: CheckedContinuation<EventDelivery?, Never>?
        var closed = false
    }

    private let capacity: Int
    private let state = Mutex(State())

    init(capacity: Int) { self.capacity = capacity }

    func put(_ event: WorkspaceEvent) {
        let reader = state.withLock { state -> CheckedContinuation<EventDelivery?, Never>? in
            guard !state.closed else { return nil }
            if let reader = state.reader {
                state.reader = nil
                return reader
            }
            if state.waiting.count == capacity {
                state.waiting.removeFirst()
                state.lost = true
            }
            state.waiting.append(.event(event))
            return nil
        }
        reader?.resume(returning: .event(event))
    }

    /// The next delivery, waiting for it; nil when the reading task is cancelled.
    func next() async -> EventDelivery? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let ready = state.withLock { state -> EventDelivery?? in
                    if state.closed { return .some(nil) }
                    if state.lost {
                        state.lost = false
                        return .gap
                    }
                    if !state.waiting.isEmpty { return state.waiting.removeFirst() }
                    state.reader = continuation
                    return nil
                }
                if let ready { continuation.resume(returning: ready) }
            }
        } onCancel: {
            let reader = state.withLock { state in
                state.closed = true
                defer { state.reader = nil }
                return state.reader
            }
            reader?.resume(returning: nil)
        }
    }
}
