public import Model

/// One workspace's events as a reader wants them: what is stored, then what happens, without gap or duplicate.
public struct EventFeed: Sendable {
    /// How many stored events one read asks for.
    public static let pageSize = 256

    private let stored: any EventReading
    private let live: any EventSubscribing

    public init(stored: any EventReading, live: any EventSubscribing) {
        self.stored = stored
        self.live = live
    }

    /// The newest stored event of `id`, 0 when there is none, nil when there is no such workspace: what comes after it is news. Throws
    /// `StoreError`.
    public func last(of id: WorkspaceID) async throws -> Int64? { try await stored.lastSequence(of: id) }

    /// Events after `sequence` (nil: from now on), oldest first, then live ones for as long as the reader reads. Live-only events come as
    /// they happen. Throws `StoreError` when the store cannot be read: the reader resumes from the last sequence it saw.
    public func follow(_ id: WorkspaceID, after sequence: Int64?) -> AsyncThrowingStream<WorkspaceEvent, any Error> {
        // Subscribed before the store is read: what happens in between comes twice at worst, and is then told apart by its sequence.
        let cursor = FeedCursor(stored: stored, deliveries: live.subscribe(to: id), workspace: id, after: sequence)
        return AsyncThrowingStream { try await cursor.next() }
    }
}

/// Where one reader stands. Read by one task at a time.
private actor FeedCursor {
    private let stored: any EventReading
    private let workspace: WorkspaceID
    private let deliveries: AsyncStream<EventDelivery>
    /// The last sequence handed out; nil until the first read of the store has said where "now" is.
    private var last: Int64?
    private var page: ArraySlice<WorkspaceEvent> = []
    /// The store may hold events after `last` that did not come live.
    private var behind = true

    init(stored: any EventReading, deliveries: AsyncStream<EventDelivery>, workspace: WorkspaceID, after sequence: Int64?) {
        self.stored = stored
        self.workspace = workspace
        self.deliveries = deliveries
        last = sequence
    }

    /// The next event; nil when the reading task is cancelled.
    func next() async throws -> WorkspaceEvent? {
        while true {
            if let event = page.popFirst() {
                last = event.sequence ?? last
                return event
            }
            if behind {
                try await readStore()
                continue
            }
            var iterator = deliveries.makeAsyncIterator()
            guard let delivery = await iterator.next(isolation: self) else { return nil }
            if let event = take(delivery) { return event }
        }
    }

    private func readStore() async throws {
        guard let last else {
            last = try await stored.lastSequence(of: workspace) ?? 0
            behind = false
            return
        }
        let events = try await stored.events(of: workspace, after: last, limit: EventFeed.pageSize)
        behind = events.count == EventFeed.pageSize
        page = events[...]
    }

    /// The event to hand out, if this delivery is one: known ones are dropped, and a hole is filled from the store first.
    private func take(_ delivery: EventDelivery) -> WorkspaceEvent? {
        guard case .event(let event) = delivery else {
            behind = true
            return nil
        }
        guard let sequence = event.sequence, let last else { return event }
        if sequence == last + 1 {
            self.last = sequence
            return event
        }
        if sequence > last { behind = true }
        return nil
    }
}
