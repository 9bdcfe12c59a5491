import HTTP
import Model

/// `berth workspaces restart`.
struct RestartCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let invocation = context.invocation
        let timeout = try invocation.number("--timeout") ?? 900
        let id = try await context.workspaceID()
        let answer = try await context.daemon.call(.post, "/workspaces/\(id)/restart", body: .object(body()))
        if invocation.has("--no-wait") {
            if context.json { context.output.json(answer) } else { context.output.line("restarting \(id)") }
            return .ok
        }
        // A daemon that does not say where the news begins is followed from the first event on: better a long story than none.
        let last = answer["last_event_id"]?.number?.text ?? "0"
        try await Arrival(context, workspaceID: id, after: last).wait(seconds: timeout)
        if context.json { context.output.json(try await context.daemon.get("/workspaces/\(id)")) } else { context.output.line(id) }
        return .ok
    }

    private func body() -> JSONObject {
        var body = JSONObject()
        if let template = context.invocation.value("--template") { body["template"] = .string(template) }
        if context.invocation.has("--apply-template") { body["apply_template"] = true }
        if context.invocation.has("--reset") { body["reset"] = true }
        return body
    }
}

/// `berth workspaces pause`.
struct PauseCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let id = try await context.workspaceID()
        try await context.act("/workspaces/\(id)/pause") { "paused \($0["paused_count"]?.int ?? 0)" }
        return .ok
    }
}

/// `berth workspaces resume`.
struct ResumeCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let id = try await context.workspaceID()
        try await context.act("/workspaces/\(id)/resume") {
            "starting \($0["resumed_count"]?.int ?? 0); 'berth workspaces watch \(id)' follows it"
        }
        return .ok
    }
}

/// `berth workspaces hibernate`.
struct HibernateCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let id = try await context.workspaceID()
        let force = context.invocation.has("--force")
        do {
            try await context.act("/workspaces/\(id)/hibernate" + (force ? "?force=true" : "")) { _ in "hibernated \(id)" }
        } catch let error as CommandError where error.code == ErrorCode.tasksActive.rawValue {
            throw CommandError(.failed, code: error.code, error.message, next: "Wait until it is done, or repeat with --force.")
        }
        return .ok
    }
}

/// `berth workspaces cancel`.
struct CancelCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let id = try await context.workspaceID()
        try await context.act("/workspaces/\(id)/cancel") { _ in "cancelled the start of \(id)" }
        return .ok
    }
}

extension Context {
    /// Posts, and prints what came of it.
    fileprivate func act(_ path: String, _ text: (JSONValue) -> String) async throws {
        let answer = try await daemon.call(.post, path)
        if json { output.json(answer) } else { output.line(text(answer)) }
    }
}

/// `berth workspaces update`.
struct UpdateCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let body = try await body()
        guard !body.isEmpty else { throw CommandError.usage("there is nothing to change", of: context.invocation.command) }
        let id = try await context.workspaceID()
        let answer = try await context.daemon.call(.patch, "/workspaces/\(id)", body: .object(body))
        if context.json {
            context.output.json(answer)
        } else {
            let more = answer["needs_restart"]?.bool == true ? "; it shows after 'berth workspaces restart \(id)'" : ""
            context.output.line("updated \(id)" + more)
        }
        return .ok
    }

    private func body() async throws -> JSONObject {
        let invocation = context.invocation
        var body = JSONObject()
        let texts = [
            ("--name", "name"), ("--role", "role"), ("--runtime", "runtime"), ("--model", "model"), ("--image", "image"),
            ("--workspace-access", "workspace_access"),
        ]
        for (option, key) in texts { if let value = invocation.value(option) { body[key] = .string(value) } }
        if let tier = try invocation.number("--tier") { body["tier"] = .int(tier) }
        if let tasks = try invocation.number("--max-tasks") { body["max_concurrent_tasks"] = .int(tasks) }
        if let directory = invocation.value("--workspace-dir") { body["workspace_dir"] = directory == "none" ? .null : .string(directory) }
        if let parent = invocation.value("--parent") {
            body["parent_id"] = parent == "none" ? .null : .string(try await context.workspaceID(of: parent))
        }
        if let minutes = invocation.value("--hibernate-after") {
            body["hibernation_idle_minutes"] = minutes == "never" ? .null : .optional(try invocation.number("--hibernate-after"))
        }
        return body
    }
}
