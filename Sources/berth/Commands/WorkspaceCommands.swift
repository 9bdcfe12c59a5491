import HTTP
import Model

/// `berth workspaces list`.
struct ListCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let workspaces = try await context.daemon.get("/workspaces")
        if context.json { context.output.json(workspaces) } else { context.output.line(WorkspaceText.list(workspaces.array ?? [])) }
        return .ok
    }
}

/// `berth workspaces get`.
struct GetCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let workspace = try await context.daemon.get("/workspaces/\(context.workspaceID())")
        if context.json { context.output.json(workspace) } else { context.output.line(WorkspaceText.details(workspace)) }
        return .ok
    }
}

/// `berth workspaces delete`.
struct DeleteCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let id = try await context.workspaceID()
        let cascade = context.invocation.has("--cascade")
        if !context.invocation.has("--yes"), context.output.canAsk {
            let what =
                cascade ? "workspace \(id), its children, their containers and volumes" : "workspace \(id), its container and its volumes"
            guard context.output.ask("Remove \(what)?") else {
                throw CommandError(.failed, code: "not_confirmed", "nothing was removed", next: "Answer y, or give --yes.")
            }
        }
        let answer = try await remove(id, cascade)
        if context.json { context.output.json(answer) } else { context.output.line("removed \(id)") }
        return .ok
    }

    private func remove(_ id: String, _ cascade: Bool) async throws -> JSONValue {
        do {
            return try await context.daemon.call(.delete, "/workspaces/\(id)" + (cascade ? "?confirm=true" : ""))
        } catch let error as CommandError where error.code == ErrorCode.confirmationRequired.rawValue {
            throw CommandError(.failed, code: error.code, error.message, next: "Repeat with --cascade to remove the children too.")
        }
    }
}

/// `berth workspaces logs`.
struct LogsCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let invocation = context.invocation
        var query: [String] = []
        if let tail = invocation.value("--tail") { query.append("tail=" + PercentCoding.encoded(tail)) }
        if let since = invocation.value("--since") { query.append("since=" + PercentCoding.encoded(since)) }
        if invocation.has("--follow") { query.append("follow=true") }
        let path = try await "/workspaces/\(context.workspaceID())/logs" + (query.isEmpty ? "" : "?" + query.joined(separator: "&"))
        let response = try await context.daemon.stream(path, limits: ExchangeLimits(head: .seconds(60)))
        if context.json {
            let text = String(
                decoding: try await context.daemon.reporting { try await response.body.collect(limit: 256 << 20) }, as: UTF8.self)
            context.output.json(["logs": .string(text)])
        } else {
            while let bytes = try await context.daemon.reporting({ try await response.body.next() }) { context.output.bytes(bytes) }
        }
        return .ok
    }
}

/// `berth workspaces watch`.
struct WatchCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let stream = EventStream(daemon: context.daemon, workspaceID: try await context.workspaceID())
        var progress = ProgressText(isTerminal: false)
        try await stream.follow(after: context.invocation.has("--all") ? "0" : nil) { event in
            if context.json {
                context.output.json(event.json)
            } else {
                let known = progress.text(for: event)
                context.output.text(known.isEmpty ? "\(WorkspaceText.printable(event.type)) \(event.data.text)\n" : known)
            }
            return event.type != EventKind.removed.rawValue
        }
        return .ok
    }
}
