public import Model
import Synchronization

/// Hands each published event to every subscriber, and never waits for one: a reader that falls `capacity` events behind loses the
/// oldest and finds a `gap` where they were.
public final class EventHub: EventPublishing, EventSubscribing {
    public static let standardCapacity = 256

    private struct State {
        var nextNumber = 0
        var everything: [Int: Mailbox] = [:]
        var byWorkspace: [WorkspaceID: [Int: Mailbox]] = [:]
    }

    private let capacity: Int
    private let state = Mutex(State())

    public init(capacity: Int = EventHub.standardCapacity) {
        precondition(capacity > 0, "a subscriber needs room for at least one event")
        self.capacity = capacity
    }

    /// How many readers are subscribed now.
    public var subscriberCount: Int {
        state.withLock { $0.everything.count + $0.byWorkspace.values.reduce(0) { $0 + $1.count } }
    }

    /// Delivers `events` in order. Two calls for one workspace must not overlap in the order that matters to the caller.
    public func publish(_ events: [WorkspaceEvent]) {
        for event in events {
            let readers = state.withLock { state in
                Array(state.everything.values) + Array(state.byWorkspace[event.workspaceID].map { Array($0.values) } ?? [])
            }
            for reader in readers { reader.put(event) }
        }
    }

    public func subscribe(to id: WorkspaceID?) -> AsyncStream<EventDelivery> {
        let mailbox = Mailbox(capacity: capacity)
        let number = state.withLock { state in
            state.nextNumber += 1
            if let id {
                state.byWorkspace[id, default: [:]][state.nextNumber] = mailbox
            } else {
                state.everything[state.nextNumber] = mailbox
            }
            return state.nextNumber
        }
        let subscription = Subscription { [weak self] in self?.remove(number, from: id) }
        return AsyncStream {
            withExtendedLifetime(subscription) {}
            return await mailbox.next()
        } onCancel: {
            subscription.end()
        }
    }

    private func remove(_ number: Int, from id: WorkspaceID?) {
        state.withLock { state in
            guard let id else {
                state.everything[number] = nil
                return
            }
            state.byWorkspace[id]?[number] = nil
            if state.byWorkspace[id]?.isEmpty == true { state.byWorkspace[id] = nil }
        }
    }
}

/// Ends a subscription when its stream is cancelled or simply dropped.
private final class Subscription: Sendable {
    private let onEnd: @Sendable () -> Void

    init(_ onEnd: @escaping @Sendable () -> Void) { self.onEnd = onEnd }

    func end() { onEnd() }

    deinit { onEnd() }
}
