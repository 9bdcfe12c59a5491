import HTTP
import Model

/// One event of a workspace as the stream carries it.
struct WatchedEvent: Sendable, Equatable {
    let id: String?
    let type: String
    let data: JSONValue
    /// The event as it was sent.
    let json: JSONValue

    init?(_ event: ServerSentEvent) {
        guard let json = try? JSONValue(parsing: event.data), let type = json["type"]?.string else { return nil }
        id = event.id
        self.type = type
        data = json["data"] ?? .null
        self.json = json
    }
}

/// Follows `GET /workspaces/:id/events/stream` and goes on where it stopped when the connection breaks.
struct EventStream: Sendable {
    let daemon: DaemonClient
    let workspaceID: String
    /// A server that says nothing at all for this long is gone: it keeps a quiet stream alive more often.
    private static let limits = ExchangeLimits(connect: .seconds(5), head: .seconds(15), stall: .seconds(60))
    /// How often a broken stream is opened again before it counts as lost; any event starts the count anew.
    private static let patience = 20

    /// Hands each event to `body` until it returns false or the server ends the stream. `after` is the last event known: "0" gives
    /// everything stored, nil only what is new.
    func follow(after: String?, _ body: (WatchedEvent) async throws -> Bool) async throws {
        var last = after
        var failures = 0
        while true {
            do {
                if try await once(&last, onEvent: { failures = 0 }, body) { return }
                failures += 1
                if failures > 1 { return }
            } catch let error as CommandError where error.exitCode == .unreachable || error.code == "timed_out" {
                failures += 1
                guard failures <= Self.patience else { throw error }
            }
            try await Task.sleep(for: .milliseconds(min(100 * failures, 1000)))
        }
    }

    /// One connection. True when `body` has had enough, false when the server ended the stream.
    private func once(_ last: inout String?, onEvent: () -> Void, _ body: (WatchedEvent) async throws -> Bool) async throws -> Bool {
        var headers: Headers = ["Accept": "text/event-stream"]
        headers["Last-Event-ID"] = last
        let response = try await daemon.stream("/workspaces/\(workspaceID)/events/stream", headers: headers, limits: Self.limits)
        var parser = ServerSentEventParser()
        while let bytes = try await daemon.reporting({ try await response.body.next() }) {
            for event in parser.feed(bytes).compactMap(WatchedEvent.init) {
                last = event.id ?? last
                onEvent()
                guard try await body(event) else { return true }
            }
        }
        return false
    }
}
