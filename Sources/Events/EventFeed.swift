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

    /// Events after `sequence` (nil: from now on), oldest first, then live ones for as long as the reader reads. Live-only events come as
    /// they happen. Throws `StoreError` when the store cannot be read: the reader resumes from the last sequence it saw.
    public func follow(_ id: WorkspaceID, after sequence: Int64?) -> AsyncThrowingStream<WorkspaceEvent, any Error> {
        let cursor = FeedCursor(stored: stored, deliveries: live.subscribe(to: id), workspace: id, after: sequence)
        return AsyncThrowingStream { try await cursor.next() }
    }
}

/// Where one reader stands. Read by one task at a time.
private actor FeedCursor {
    private let stored: any EventReading
    private let workspace: WorkspaceID
    private var deliveries: AsyncStream<EventDelivery>.Iterator
    /// The last sequence handed out; nil until the first read of the store has said where "now" is.
    private var last: Int64?
    private var page: ArraySlice<WorkspaceEvent> = []
    /// The store may hold events after `last` that did not come live.
    private var behind = true

    init(stored: any EventReading, deliveries: AsyncStream<EventDelivery>, workspace: WorkspaceID, after sequence: Int64?) {
        self.stored = stored
        self.workspace = workspace
        self.deliveries = deliveries.makeAsyncIterator()
        last = sequence
    }

    func next() async throws -> WorkspaceEvent? { nil }
}
