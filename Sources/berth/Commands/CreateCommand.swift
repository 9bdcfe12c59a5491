import Model

/// `berth workspaces create`: asks the daemon, then follows the workspace's events until its agent is online.
struct CreateCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let invocation = context.invocation
        let timeout = try invocation.number("--timeout") ?? 900
        let created = try await context.daemon.call(.post, "/workspaces", body: .object(try body()))
        guard let id = created["id"]?.string else {
            throw CommandError(.failed, code: "unexpected_answer", "the daemon accepted the workspace without naming it")
        }
        if created["connection"] != nil || invocation.has("--no-wait") {
            show(created, id)
            return .ok
        }
        if !context.json { context.output.progress("workspace \(id)\n") }
        try await Arrival(context, workspaceID: id).wait(seconds: timeout)
        if context.json { context.output.json(try await context.daemon.get("/workspaces/\(id)")) } else { context.output.line(id) }
        return .ok
    }

    private func show(_ created: JSONValue, _ id: String) {
        if context.json { return context.output.json(created) }
        context.output.line(id)
        guard let connection = created["connection"] else { return }
        let names = ["platform_url", "auth_token", "registry_endpoint", "heartbeat_endpoint"]
        context.output.line(Table.fields(names.map { ($0.replacing("_", with: " "), connection[$0]?.string) }))
        if let curl = connection["curl_register_template"]?.string {
            context.output.line("\nThe agent registers itself like this:\n\n" + curl)
        }
    }

    func body() throws -> JSONObject {
        let invocation = context.invocation
        var body: JSONObject = ["name": .string(invocation.operand("NAME") ?? "")]
        for (option, key) in [("--template", "template"), ("--runtime", "runtime"), ("--model", "model"), ("--url", "url")] {
            if let value = invocation.value(option) { body[key] = .string(value) }
        }
        if let tier = try invocation.number("--tier") { body["tier"] = .int(tier) }
        if invocation.has("--external") { body["external"] = true }
        let secrets = try invocation.pairs("--secret").map { ($0.key, JSONValue.string($0.value)) }
        let files = try invocation.pairs("--secret-file").map { ($0.key, JSONValue.string(try secret(at: $0.value))) }
        if !secrets.isEmpty { body["secrets"] = Self.object(secrets) }
        if !files.isEmpty { body["secret_files"] = Self.object(files) }
        return body
    }

    private func secret(at path: String) throws -> String {
        guard let bytes = Machine.read(path), let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandError(.usage, code: "file_unreadable", "the secret file \(path) cannot be read as UTF-8 text")
        }
        return text
    }

    private static func object(_ members: [(String, JSONValue)]) -> JSONValue {
        var object = JSONObject()
        for (key, value) in members { object[key] = value }
        return .object(object)
    }
}
