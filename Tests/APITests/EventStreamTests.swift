import API
import HTTP
import Model
import Synchronization
import Testing

/// A reader of a stream: what came so far, and a way to wait until something has come.
final class StreamReader: ByteSink {
    private let received = Mutex("")
    private let changes = AsyncStream.makeStream(of: Void.self)

    var text: String { received.withLock { $0 } }

    func write(_ bytes: [UInt8]) async throws {
        received.withLock { $0 += String(decoding: bytes, as: UTF8.self) }
        changes.continuation.yield()
    }

    /// Returns when `condition` holds for what has come.
    func wait(until condition: (String) -> Bool) async {
        if condition(text) { return }
        for await _ in changes.stream where condition(text) { return }
    }
}

@Suite("The event stream", .timeLimit(.minutes(1)))
struct EventStreamTests {
    /// Opens the stream of `id` and returns its reader with the task that feeds it.
    private func open(_ world: APIWorld, _ id: WorkspaceID, query: String = "", headers: Headers = [:]) async throws -> (
        StreamReader, Task<Void, any Error>
    ) {
        var headers = headers
        headers["Authorization"] = "Bearer \(APIWorld.admin)"
        let request = Request(method: .get, path: "/workspaces/\(id)/events/stream", query: Query(parsing: query), headers: headers)
        let response = await world.api.handler(for: .people)(request)
        #expect(response.status == 200)
        #expect(response.headers["Content-Type"] == "text/event-stream")
        #expect(response.headers["Cache-Control"] == "no-cache")
        guard case .stream(nil, let produce) = response.body else { throw ConnectionLost() }
        let reader = StreamReader()
        return (reader, Task { try await produce(reader) })
    }

    @Test("its first bytes are a comment; then each event has its number, its type, its time in milliseconds and its data")
    func format() async throws {
        let world = APIWorld()
        let id = world.add("Ann")
        try await world.rows.append(.provisioning, payload: ["name": "Ann"], to: id)
        let (reader, task) = try await open(world, id, query: "last_event_id=0")
        await reader.wait { $0.contains("\"data\"") }
        #expect(reader.text.hasPrefix(": ping\n\n"))
        #expect(
            reader.text.hasSuffix(
                "id: 1\ndata: {\"type\":\"WORKSPACE_PROVISIONING\",\"timestamp\":1800000000000,\"data\":{\"name\":\"Ann\"}}\n\n"))
        task.cancel()
    }

    @Test("it goes on after Last-Event-ID without gap or double, whichever way it is given", arguments: [true, false])
    func resume(byHeader: Bool) async throws {
        let world = APIWorld()
        let id = world.add("Ann")
        for _ in 1...4 { try await world.rows.append(.provisionProgress, payload: [:], to: id) }
        let (reader, task) =
            try await byHeader ? open(world, id, headers: ["Last-Event-ID": "2"]) : open(world, id, query: "last_event_id=2")
        await reader.wait { $0.contains("id: 4\n") }
        try await world.rows.append(.online, payload: [:], to: id)
        await reader.wait { $0.contains("id: 5\n") }
        #expect(reader.text.split(separator: "\n").filter { $0.hasPrefix("id: ") } == ["id: 3", "id: 4", "id: 5"])
        task.cancel()
    }

    @Test("live-only events carry no number")
    func beats() async throws {
        let world = APIWorld()
        let id = world.add("Ann")
        let (reader, task) = try await open(world, id, query: "last_event_id=0")
        await reader.wait { $0.contains("retry:") }
        world.hub.publish([
            WorkspaceEvent(workspaceID: id, sequence: nil, kind: .heartbeat, at: Timestamp(seconds: 1), payload: ["active_tasks": 0])
        ])
        await reader.wait { $0.contains("WORKSPACE_HEARTBEAT") }
        #expect(!reader.text.contains("id: "))
        task.cancel()
    }

    @Test("a quiet stream gets a comment every fifteen seconds")
    func keepAlive() async throws {
        let world = APIWorld()
        let id = world.add("Ann")
        let (reader, task) = try await open(world, id)
        await reader.wait { $0.contains("retry:") }
        for round in 2...4 {
            while world.clock.sleeperCount == 0 { await Task.yield() }
            world.clock.advance(by: .seconds(14))
            #expect(reader.text.components(of: ": ping\n\n") == round - 1)
            world.clock.advance(by: .seconds(1))
            await reader.wait { $0.components(of: ": ping\n\n") == round }
        }
        task.cancel()
    }

    @Test("it ends when the workspace is removed")
    func ends() async throws {
        let world = APIWorld()
        let id = world.add("Ann")
        let (reader, task) = try await open(world, id, query: "last_event_id=0")
        await reader.wait { $0.contains("retry:") }
        try await world.rows.append(.removed, payload: ["cascade_deleted": 0], to: id)
        try await task.value
        #expect(reader.text.hasSuffix("\"type\":\"WORKSPACE_REMOVED\",\"timestamp\":1800000000000,\"data\":{\"cascade_deleted\":0}}\n\n"))
    }

    @Test("a stop of the daemon ends it, and each that opens later")
    func stop() async throws {
        let world = APIWorld()
        let id = world.add("Ann")
        let (reader, task) = try await open(world, id)
        await reader.wait { $0.contains("retry:") }
        world.api.endStreams()
        try await task.value
        let (_, later) = try await open(world, id)
        try await later.value
    }

    @Test("of a workspace that was removed before it gives what is stored and then ends")
    func alreadyRemoved() async throws {
        let world = APIWorld()
        let id = world.add("Ann", .removed)
        try await world.rows.append(.removed, payload: [:], to: id)
        let (_, replay) = try await open(world, id, query: "last_event_id=0")
        try await replay.value
        let (quiet, task) = try await open(world, id, query: "last_event_id=1")
        await quiet.wait { $0.contains("retry:") }
        while world.clock.sleeperCount == 0 { await Task.yield() }
        world.clock.advance(by: .seconds(15))
        try await task.value
    }

    @Test("it is cut when the store cannot be read, so that the reader resumes")
    func cut() async throws {
        let world = APIWorld()
        let id = world.add("Ann")
        let (reader, task) = try await open(world, id, query: "last_event_id=0")
        await reader.wait { $0.contains("retry:") }
        world.goDown()
        world.hub.publish([
            WorkspaceEvent(workspaceID: id, sequence: 9, kind: .online, at: Timestamp(seconds: 1), payload: [:])
        ])
        await #expect(throws: StoreError.self) { try await task.value }
    }

    @Test("a starting point that is no number is refused", arguments: ["x", "-1", "1.5", "99999999999999999999"])
    func refused(id text: String) async {
        let world = APIWorld()
        let id = world.add("Ann")
        let answer = await world.call(.get, "/workspaces/\(id)/events/stream?last_event_id=\(text)", bearer: APIWorld.admin)
        #expect(answer.status == 400)
        #expect(answer.code == "invalid_request")
    }
}

extension String {
    /// How often `part` occurs.
    fileprivate func components(of part: String) -> Int { ranges(of: part).count }
}
