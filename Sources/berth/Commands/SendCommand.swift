import HTTP
import Model

/// `berth workspaces send`: one message to the agent, through the proxy and back.
struct SendCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let id = try await context.workspaceID()
        let text = context.invocation.operand("TEXT") ?? ""
        let message = AgentMessage(context, workspaceID: id)
        let seconds = try context.invocation.number("--timeout")
        if context.invocation.has("--stream") {
            try await message.stream(text, timeout: seconds)
        } else {
            let reply = try await message.send(text, timeout: seconds)
            if context.json { context.output.json(reply) } else { context.output.line(AgentReply.text(of: reply)) }
        }
        return .ok
    }
}

/// Messages to one workspace's agent, in A2A's JSON-RPC form.
struct AgentMessage {
    let context: Context
    let workspaceID: String

    init(_ context: Context, workspaceID: String) {
        self.context = context
        self.workspaceID = workspaceID
    }

    /// Returns the JSON-RPC result.
    func send(_ text: String, timeout: Int?) async throws -> JSONValue {
        let response = try await open("message/send", text, accept: "application/json", timeout)
        let bytes = try await context.daemon.reporting { try await response.body.collect(limit: 32 << 20) }
        return try Self.result(response.status, bytes, context.daemon.baseURL)
    }

    /// Prints the reply as it comes.
    func stream(_ text: String, timeout: Int?) async throws {
        let response = try await open("message/stream", text, accept: "text/event-stream", timeout)
        guard response.status == 200, response.headers["Content-Type"]?.hasPrefix("text/event-stream") == true else {
            let bytes = try await context.daemon.reporting { try await response.body.collect(limit: 32 << 20) }
            let result = try Self.result(response.status, bytes, context.daemon.baseURL)
            return context.json ? context.output.json(result) : context.output.line(AgentReply.text(of: result))
        }
        var parser = ServerSentEventParser()
        var printed = AgentReply.Stream()
        while let bytes = try await context.daemon.reporting({ try await response.body.next() }) {
            for event in parser.feed(bytes) {
                let result = try Self.result(200, Array(event.data.utf8), context.daemon.baseURL)
                if context.json { context.output.json(result) } else { context.output.text(printed.text(for: result)) }
            }
        }
        if !context.json { context.output.text(printed.finish()) }
    }

    private func open(_ method: String, _ text: String, accept: String, _ timeout: Int?) async throws -> IncomingResponse {
        let part: JSONValue = ["kind": "text", "text": .string(text)]
        let message: JSONValue = [
            "kind": "message", "role": "user", "messageId": .string(UUIDText.random(KernelRandom())), "parts": .array([part]),
        ]
        let body: JSONValue = [
            "jsonrpc": "2.0", "id": .string(UUIDText.random(KernelRandom())), "method": .string(method), "params": ["message": message],
        ]
        // How long an agent may think is the proxy's to say; we only watch the clock when asked.
        let limits = ExchangeLimits(connect: .seconds(5), total: timeout.map { .seconds($0) })
        return try await context.daemon.open(
            .post, "/workspaces/\(workspaceID)/a2a", headers: ["Accept": accept], body: body, limits: limits)
    }

    private static func result(_ status: Int, _ bytes: [UInt8], _ url: String) throws -> JSONValue {
        let answer = try? JSONValue(parsing: bytes)
        if let result = answer?["result"] { return result }
        if let error = answer?["error"]?.object {
            let number = error["code"]?.number?.text ?? "?"
            throw CommandError(.failed, code: "agent_error", "the agent answered with error \(number): \(error["message"]?.string ?? "")")
        }
        guard status == 200 else { throw DaemonClient.refusal(status, answer, at: url) }
        throw CommandError(.failed, code: ErrorCode.agentResponseInvalid.rawValue, "the agent's answer is neither a result nor an error")
    }
}
