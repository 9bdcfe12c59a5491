import HTTP
import Model

/// `GET /workspaces/:id/logs`: what the container wrote, as plain text. When the container is gone, the lines kept with the failure.
struct LogRoutes: Sendable {
    let services: APIServices
    let streams: OpenStreams

    var routes: [Route] {
        [Route(.get, "/workspaces/:id/logs", for: .workspace, serve: logs)]
    }

    private func logs(_ call: Call) async throws -> Response {
        let id = try call.workspaceID()
        let options = try LogOptions(decoding: call.request.query)
        guard let workspace = try await services.workspaces.workspace(id) else { throw WorkspaceRoutes.missing }
        if let container = try await services.containers.newest(of: id) {
            return text(from: "container", try await services.containers.logs(of: container.id, options))
        }
        guard let tail = workspace.failure?.logTail else { throw Self.nothing(workspace) }
        return Response(status: 200, headers: Self.headers("failure"), body: .bytes(Array(tail.utf8)))
    }

    private func text(from source: String, _ chunks: AsyncThrowingStream<LogChunk, any Error>) -> Response {
        Response(
            status: 200, headers: Self.headers(source),
            body: .stream(length: nil) { sink in
                try await streams.run { for try await chunk in chunks { try await sink.write(chunk.bytes) } }
            })
    }

    private static func headers(_ source: String) -> Headers {
        ["Content-Type": "text/plain; charset=utf-8", "X-Log-Source": source, "X-Accel-Buffering": "no"]
    }

    static func nothing(_ workspace: Workspace) -> Failure {
        let next =
            workspace.external
            ? "The agent runs elsewhere: its logs are there."
            : "The workspace has no container now; GET /workspaces/\(workspace.id) says how it stands."
        return Failure(.containerMissing, "no logs: the workspace has no container", next: next)
    }
}

extension ContainerReading {
    /// The container of the highest generation, also when it does not run; of two, the younger one.
    func newest(of id: WorkspaceID) async throws -> ContainerFacts? {
        try await containers(of: id).max {
            ($0.generation, $0.createdAt ?? Timestamp(seconds: 0)) < ($1.generation, $1.createdAt ?? Timestamp(seconds: 0))
        }
    }
}

extension LogOptions {
    /// `tail`: a number of lines or `all`; `since`: RFC 3339 or Unix seconds; `follow`: true or false.
    init(decoding query: Query) throws {
        self.init(tail: try Self.tail(query["tail"]), since: try Self.since(query["since"]), follow: try query.flag("follow"))
    }

    private static func tail(_ text: String?) throws -> Int? {
        guard let text, text != "all", !text.isEmpty else { return nil }
        guard let lines = Int(text), (0...1_000_000).contains(lines) else {
            throw Query.refused("tail", "a number of lines up to 1000000, or 'all'")
        }
        return lines
    }

    private static func since(_ text: String?) throws -> Timestamp? {
        guard let text, !text.isEmpty else { return nil }
        if let seconds = Double(text), (0...4e9).contains(seconds) { return Timestamp(microseconds: Int64(seconds * 1e6)) }
        guard let time = Timestamp(rfc3339: text) else { throw Query.refused("since", "an RFC 3339 time or Unix seconds") }
        return time
    }
}
