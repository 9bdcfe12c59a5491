import Events
import HTTP
import Model

/// `GET /workspaces/:id/events/stream`: one workspace's events as they happen. Format and resuming: `docs/wire/events.md`.
struct EventRoutes: Sendable {
    let services: APIServices
    let settings: APISettings
    let streams: OpenStreams

    var routes: [Route] {
        [Route(.get, "/workspaces/:id/events/stream", for: .workspace, serve: stream)]
    }

    private func stream(_ call: Call) async throws -> Response {
        let id = try call.workspaceID()
        let last = try Self.lastEventID(call.request)
        guard let workspace = try await services.workspaces.workspace(id) else { throw WorkspaceRoutes.missing }
        let over = workspace.status == .removed
        let events = services.feed.follow(id, after: last)
        return Response(
            status: 200,
            headers: [
                "Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no",
            ],
            body: .stream(length: nil) { sink in
                let writer = EventWriter(sink)
                try await streams.run {
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        group.addTask { try await Self.pump(events, to: writer) }
                        group.addTask { try await keepAlive(writer, over: over) }
                        // Whichever ends first ends the stream: the workspace is gone, or the reader is.
                        defer { group.cancelAll() }
                        try await group.next()
                    }
                }
            })
    }

    private static func pump(_ events: AsyncThrowingStream<WorkspaceEvent, any Error>, to writer: EventWriter) async throws {
        try await writer.write(ServerSentEvent.keepAlive)
        try await writer.write(Array("retry: 2000\n\n".utf8))
        for try await event in events {
            try await writer.write(encoded(event))
            if event.kind == .removed { return }
        }
    }

    /// A workspace that is `over` has no more to tell once the stored events are read: its stream ends at the first quiet moment.
    private func keepAlive(_ writer: EventWriter, over: Bool) async throws {
        while true {
            try await services.clock.sleep(for: settings.keepAlive)
            if over { return }
            try await writer.write(ServerSentEvent.keepAlive)
        }
    }

    /// Live-only events carry no id: a client that resumes goes on from the last stored one.
    static func encoded(_ event: WorkspaceEvent) -> [UInt8] {
        let body: JSONValue = [
            "type": .string(event.kind.rawValue), "timestamp": .int(event.at.milliseconds), "data": .object(event.payload),
        ]
        return ServerSentEvent(id: event.sequence.map { String($0) }, data: body.text).bytes
    }

    private static func lastEventID(_ request: Request) throws -> Int64? {
        guard let text = request.headers["Last-Event-ID"] ?? request.query["last_event_id"], !text.isEmpty else { return nil }
        guard let id = Int64(text), id >= 0 else {
            throw Failure(
                .invalidRequest, "invalid Last-Event-ID", next: "Send the last 'id:' of this stream, or 0 for everything.",
                details: ["field": "last_event_id"])
        }
        return id
    }
}

/// Keeps two writers of one stream from cutting into each other's lines.
private actor EventWriter {
    private let sink: any ByteSink
    private var busy = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(_ sink: any ByteSink) { self.sink = sink }

    func write(_ bytes: [UInt8]) async throws {
        if busy { await withCheckedContinuation { waiting.append($0) } }
        busy = true
        defer { passOn() }
        try await sink.write(bytes)
    }

    /// The turn goes straight to the next one in line, so that nobody slips in between.
    private func passOn() {
        if waiting.isEmpty { busy = false } else { waiting.removeFirst().resume() }
    }
}
