import Events
import Model
import TestSupport
import Testing

@Suite("Following a workspace's events")
struct EventFeedTests {
    private struct Scene {
        let hub: EventHub
        let records: FakeRecords
        let id = WorkspaceID(random: SeededRandom(seed: 21))
        var feed: EventFeed { EventFeed(stored: records, live: hub) }

        init(capacity: Int = EventHub.standardCapacity) {
            hub = EventHub(capacity: capacity)
            records = FakeRecords(clock: ManualClock(), live: hub)
            records.arrange(Workspace(id: id, name: "W", runtime: "echo", condition: .init(.online), createdAt: Timestamp(seconds: 0)))
        }

        func append(_ count: Int) async throws {
            for _ in 0..<count { try await records.append(.agentCardUpdated, payload: [:], to: id) }
        }

        func beat() {
            hub.publish([WorkspaceEvent(workspaceID: id, sequence: nil, kind: .heartbeat, at: Timestamp(seconds: 0), payload: [:])])
        }
    }

    private func take(_ count: Int, _ stream: AsyncThrowingStream<WorkspaceEvent, any Error>) async throws -> [Int64?] {
        var seen: [Int64?] = []
        var iterator = stream.makeAsyncIterator()
        while seen.count < count, let event = try await iterator.next() { seen.append(event.sequence) }
        return seen
    }

    @Test("a reader that comes back gets what it missed, then what happens, each once and in order")
    func resume() async throws {
        let scene = Scene()
        try await scene.append(5)
        let stream = scene.feed.follow(scene.id, after: 2)
        try await scene.append(3)
        #expect(try await take(6, stream) == [3, 4, 5, 6, 7, 8])
        try await scene.append(1)
        #expect(try await take(1, stream) == [9])
    }

    @Test("a new reader starts with now")
    func now() async throws {
        let scene = Scene()
        try await scene.append(5)
        scene.records.faults.on("lastSequence", .hangBefore)
        let stream = scene.feed.follow(scene.id, after: nil)
        let reader = Task { try await take(1, stream) }
        await scene.records.faults.waitUntilHung()
        reader.cancel()
        _ = try? await reader.value
        let again = scene.feed.follow(scene.id, after: nil)
        let second = Task { try await take(2, again) }
        while scene.records.faults.count(of: "lastSequence") < 2 { await Task.yield() }
        try await scene.append(2)
        let seen = try await second.value
        #expect(seen == [6, 7])
    }

    @Test("more than one page of history comes whole")
    func pages() async throws {
        let scene = Scene()
        let count = EventFeed.pageSize * 2 + 3
        try await scene.append(count)
        #expect(try await take(count, scene.feed.follow(scene.id, after: 0)) == (1...Int64(count)).map { $0 })
    }

    @Test("a reader that was too slow reads the store where it lost events, and misses none that is stored")
    func slow() async throws {
        let scene = Scene(capacity: 2)
        let stream = scene.feed.follow(scene.id, after: 0)
        try await scene.append(1)
        var iterator = stream.makeAsyncIterator()
        #expect(try await iterator.next()?.sequence == 1)
        try await scene.append(40)
        var seen: [Int64?] = []
        while seen.count < 40 { seen.append(try await iterator.next()?.sequence) }
        #expect(seen == (2...41).map { $0 })
    }

    @Test("a reader whose buffer kept only live-only events still gets the stored ones it lost")
    func lostToBeats() async throws {
        let scene = Scene(capacity: 2)
        try await scene.append(1)
        let stream = scene.feed.follow(scene.id, after: 0)
        #expect(try await take(1, stream) == [1])
        try await scene.append(3)
        for _ in 0..<5 { scene.beat() }
        #expect(try await take(3, stream) == [2, 3, 4])
    }

    @Test("events that arrive out of order are put in order from the store")
    func outOfOrder() async throws {
        let scene = Scene()
        let silent = FakeRecords(clock: ManualClock())
        silent.arrange(try #require(scene.records.row(scene.id)))
        let stream = EventFeed(stored: silent, live: scene.hub).follow(scene.id, after: 0)
        for _ in 0..<4 { try await silent.append(.agentCardUpdated, payload: [:], to: scene.id) }
        #expect(try await take(4, stream) == [1, 2, 3, 4])
        for _ in 0..<3 { try await silent.append(.agentCardUpdated, payload: [:], to: scene.id) }
        let events = silent.history(of: scene.id)
        for index in [5, 4, 6] { scene.hub.publish([events[index]]) }
        #expect(try await take(3, stream) == [5, 6, 7])
    }

    @Test("live-only events pass through and are no history")
    func liveOnly() async throws {
        let scene = Scene()
        try await scene.append(1)
        let stream = scene.feed.follow(scene.id, after: 0)
        scene.beat()
        #expect(try await take(2, stream) == [1, nil])
        let fresh = scene.feed.follow(scene.id, after: 0)
        #expect(try await take(1, fresh) == [1])
    }

    @Test("a store that cannot be read ends the stream with its error")
    func storeDown() async throws {
        let scene = Scene()
        scene.records.faults.on("events", .fail(StoreError.unavailable))
        await #expect(throws: StoreError.unavailable) { _ = try await take(1, scene.feed.follow(scene.id, after: 0)) }
    }

    @Test("publishing never waits for a reader, and a reader that is dropped is forgotten")
    func neverWaits() async throws {
        let scene = Scene(capacity: 4)
        var stream: AsyncStream<EventDelivery>? = scene.hub.subscribe(to: scene.id)
        let everything = scene.hub.subscribe(to: nil)
        #expect(scene.hub.subscriberCount == 2)
        for _ in 0..<10_000 { scene.beat() }
        var iterator = everything.makeAsyncIterator()
        #expect(await iterator.next() == .gap)
        for _ in 0..<4 {
            guard case .event? = await iterator.next() else {
                Issue.record("an event was expected")
                return
            }
        }
        stream = nil
        #expect(stream == nil)
        #expect(scene.hub.subscriberCount == 1)
    }

    @Test("a reader of one workspace hears of no other")
    func others() async throws {
        let scene = Scene()
        let other = WorkspaceID(random: SeededRandom(seed: 22))
        var deliveries = scene.hub.subscribe(to: other).makeAsyncIterator()
        scene.beat()
        let theirs = WorkspaceEvent(workspaceID: other, sequence: 1, kind: .online, at: Timestamp(seconds: 0), payload: [:])
        scene.hub.publish([theirs])
        #expect(await deliveries.next() == .event(theirs))
    }

    @Test("a cancelled reader ends and is forgotten")
    func cancelled() async throws {
        let scene = Scene()
        let stream = scene.feed.follow(scene.id, after: 0)
        let reader = Task { try await take(1, stream) }
        while scene.records.faults.count(of: "events") == 0 { await Task.yield() }
        reader.cancel()
        #expect((try? await reader.value) ?? [] == [])
        #expect(scene.hub.subscriberCount == 0)
    }
}
