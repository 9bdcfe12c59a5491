import HTTP
import Model
import TestSupport
import Testing

@testable import berth_agent

@Suite("The agent's A2A surface", .timeLimit(.minutes(1)))
struct AgentServiceTests {
    private func service(_ configuration: AgentConfiguration = AgentConfiguration()) throws -> AgentService {
        try agent(configuration).service
    }

    private func agent(_ configuration: AgentConfiguration) throws -> Agent {
        Agent(
            environment: try AgentEnvironment(["HOSTNAME": "ws-1"]), configuration: configuration, clock: ManualClock(),
            random: SeededRandom(seed: 3),
            log: RecordingLog(), transport: ScriptedPlatform())
    }

    private func post(_ body: String, version: String? = nil, to service: AgentService) async -> Response {
        var headers: Headers = ["Content-Type": "application/json"]
        if let version { headers["A2A-Version"] = version }
        return await service.handle(Request(method: .post, path: "/", headers: headers, body: BufferedSource([Array(body.utf8)])))
    }

    private func answer(_ body: String, version: String? = nil, _ configuration: AgentConfiguration = AgentConfiguration()) async throws
        -> JSONValue
    {
        let response = await post(body, version: version, to: try service(configuration))
        #expect(response.status == 200)
        #expect(response.headers["Content-Type"] == "application/json")
        guard case .bytes(let bytes) = response.body else { throw ConnectionLost() }
        return try JSONValue(parsing: bytes)
    }

    private func events(_ body: String, version: String? = nil, _ configuration: AgentConfiguration = AgentConfiguration()) async throws
        -> [JSONValue]
    {
        let response = await post(body, version: version, to: try service(configuration))
        #expect(response.headers["Content-Type"] == "text/event-stream")
        guard case .stream(nil, let produce) = response.body else { throw ConnectionLost() }
        let sink = RecordingSink()
        try await produce(sink)
        return try await sink.events()
    }

    private func request03(_ method: String = "message/send", part: String = #"{"kind":"text","text":"hi"}"#, extra: String = "") -> String
    {
        #"{"jsonrpc":"2.0","id":"r1","method":"\#(method)","params":{"message":{"kind":"message","role":"user","messageId":"m1"\#(extra),"parts":[\#(part)]}}}"#
    }

    private func request10(_ method: String = "SendMessage") -> String {
        #"{"jsonrpc":"2.0","id":7,"method":"\#(method)","params":{"message":{"messageId":"m1","role":"ROLE_USER","contextId":"c1","parts":[{"text":"hi"}]}}}"#
    }

    @Test("0.3 send gives the message itself")
    func send03() async throws {
        let answer = try await answer(request03(extra: #","contextId":"c1""#))
        #expect(answer["jsonrpc"]?.string == "2.0" && answer["id"]?.string == "r1")
        var result = try #require(answer["result"]?.object)
        #expect(result["messageId"]?.string?.isEmpty == false)
        result["messageId"] = nil
        let wanted: JSONValue = ["kind": "message", "role": "agent", "contextId": "c1", "parts": [["kind": "text", "text": "echo: hi"]]]
        #expect(JSONValue.object(result) == wanted)
    }

    @Test("1.0 send gives the message under its member, without kinds")
    func send10() async throws {
        let answer = try await answer(request10(), version: "1.0")
        #expect(answer["id"]?.int == 7)
        var message = try #require(answer["result"]?["message"]?.object)
        message["messageId"] = nil
        #expect(JSONValue.object(message) == ["contextId": "c1", "role": "ROLE_AGENT", "parts": [["text": "echo: hi"]]])
        #expect(answer["result"]?.object?.keys == ["message"])
    }

    @Test("an absent or empty version is 0.3, a patch number changes nothing", arguments: [nil, "", "0.3", "0.3.0"])
    func versions(version: String?) async throws {
        #expect(try await answer(request03(), version: version)["result"]?["kind"]?.string == "message")
    }

    @Test(
        "older senders' text parts are read, several parts are joined",
        arguments: [
            (#"{"type":"text","text":"a"}"#, "echo: a"), (#"{"text":"a"}"#, "echo: a"),
            (#"{"kind":"text","text":"a"},{"kind":"data","data":{}},{"kind":"text","text":"b"}"#, "echo: a\nb"),
        ])
    func parts(part: String, reply: String) async throws {
        #expect(try await answer(request03(part: part))["result"]?["parts"]?[0]?["text"]?.string == reply)
    }

    @Test("echo streams one message in either version")
    func streamEcho() async throws {
        let old = try await events(request03("message/stream"))
        #expect(old.count == 1 && old[0]["result"]?["parts"]?[0]?["text"]?.string == "echo: hi" && old[0]["id"]?.string == "r1")
        let new = try await events(request10("SendStreamingMessage"), version: "1.0")
        #expect(new.count == 1 && new[0]["result"]?["message"]?["parts"]?[0]?["text"]?.string == "echo: hi")
    }

    @Test("a command streams in 0.3 as task, artifact pieces and a final status")
    func streamCommand03() async throws {
        let results = try await events(request03("message/stream"), .shell("printf one; sleep 0.1; printf two")).compactMap { $0["result"] }
        #expect(results.first?["kind"]?.string == "task" && results.first?["status"]?["state"]?.string == "working")
        let pieces = results.filter { $0["kind"]?.string == "artifact-update" }
        #expect(pieces.compactMap { $0["artifact"]?["parts"]?[0]?["text"]?.string }.joined() == "onetwo")
        #expect(pieces.map { $0["append"]?.bool } == [false] + Array(repeating: true, count: pieces.count - 1))
        #expect(results.last?["kind"]?.string == "status-update" && results.last?["final"]?.bool == true)
        #expect(results.last?["status"]?["state"]?.string == "completed")
        #expect(Set(results.dropFirst().compactMap { $0["taskId"]?.string }) == [results[0]["id"]?.string ?? "-"])
    }

    @Test("a command streams in 1.0 under one member per event, and its failure is the last status")
    func streamCommand10() async throws {
        let results = try await events(request10("SendStreamingMessage"), version: "1.0", .shell("printf part; exit 4")).compactMap {
            $0["result"]
        }
        #expect(results.map { $0.object?.keys ?? [] } == [["task"], ["artifactUpdate"], ["statusUpdate"]])
        let status = results.last?["statusUpdate"]?["status"]
        #expect(status?["state"]?.string == "TASK_STATE_FAILED")
        #expect(status?["message"]?["parts"]?[0]?["text"]?.string == "Agent error: the command ended with code 4")
        let stamp = try #require(status?["timestamp"]?.string)
        #expect(stamp.count == 24 && stamp.hasSuffix("Z"))
    }

    @Test("a failing command answers a send with a message and counts as an error")
    func sendFails() async throws {
        let agent = try agent(.shell("echo broken >&2; exit 1"))
        let response = await post(request03(), to: agent.service)
        guard case .bytes(let bytes) = response.body else { throw ConnectionLost() }
        let text = try JSONValue(parsing: bytes)["result"]?["parts"]?[0]?["text"]?.string
        #expect(text == "Agent error: the command ended with code 1: broken")
        let state = agent.service.messages.board.snapshot()
        #expect(state.errorRate == 1 && state.sampleError.contains("broken") && state.activeTasks == 0)
    }

    @Test("a command that says nothing is answered for", arguments: ["message/send", "message/stream"])
    func empty(method: String) async throws {
        let whole =
            method == "message/send" ? [try await answer(request03(), .shell("true"))] : try await events(request03(method), .shell("true"))
        #expect(whole.contains { $0.text.contains("(no response generated)") })
    }

    @Test(
        "each broken request gets its code, and its id when that could be read",
        arguments: [
            ("{", -32700, JSONValue.null), ("[]", -32600, .null), ("7", -32600, .null), (#"{"id":1,"method":"message/send"}"#, -32600, 1),
            (#"{"jsonrpc":"2.0","id":"a"}"#, -32600, "a"), (#"{"jsonrpc":"2.0","id":{},"method":"x"}"#, -32600, .null),
            (#"{"jsonrpc":"2.0","id":1,"method":"tasks/get"}"#, -32601, 1),
            (#"{"jsonrpc":"2.0","id":1,"method":"SendMessage"}"#, -32601, 1),
            (#"{"jsonrpc":"2.0","id":1,"method":"message/send"}"#, -32602, 1),
            (#"{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"messageId":"m","parts":[]}}}"#, -32602, 1),
            (#"{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"parts":[{"text":"x"}]}}}"#, -32602, 1),
            (
                #"{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"messageId":"m","role":"boss","parts":[{"text":"x"}]}}}"#,
                -32602, 1
            ),
            (
                #"{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"messageId":"m","taskId":"t","parts":[{"text":"x"}]}}}"#,
                -32001, 1
            ),
            (
                #"{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"messageId":"m","parts":[{"kind":"file","file":{}}]}}}"#,
                -32005, 1
            ),
        ])
    func broken(body: String, code: Int, id: JSONValue) async throws {
        let answer = try await answer(body)
        #expect(answer["error"]?["code"]?.int == code)
        #expect(answer["id"] == id)
        #expect(answer["error"]?["data"] == nil)
    }

    @Test(
        "1.0 says what it does not support, with typed data",
        arguments: [("GetTask", -32004), ("CancelTask", -32004), ("message/send", -32601), ("Nonsense", -32601)])
    func unsupported10(method: String, code: Int) async throws {
        let answer = try await answer(request10(method), version: "1.0")
        #expect(answer["error"]?["code"]?.int == code)
        #expect((answer["error"]?["data"]?[0]?["reason"]?.string == "UNSUPPORTED_OPERATION") == (code == -32004))
    }

    @Test("a version nobody speaks is refused by name", arguments: ["2.0", "1", "0.2", "banana"])
    func unknownVersion(version: String) async throws {
        let answer = try await answer(request10(), version: version)
        #expect(answer["error"]?["code"]?.int == -32009)
        #expect(answer["error"]?["data"]?[0]?["reason"]?.string == "VERSION_NOT_SUPPORTED")
        #expect(answer["id"]?.int == 7)
    }

    @Test(
        "the card names the address it was fetched from, in the keys of both versions",
        arguments: ["/.well-known/agent-card.json", "/.well-known/agent.json"])
    func card(path: String) async throws {
        let response = try await service().handle(Request(method: .get, path: path, headers: ["Host": "127.0.0.1:32768"]))
        guard case .bytes(let bytes) = response.body else { throw ConnectionLost() }
        let card = try JSONValue(parsing: bytes)
        #expect(card["url"]?.string == "http://127.0.0.1:32768/")
        #expect(card["protocolVersion"]?.string == "0.3.0" && card["preferredTransport"]?.string == "JSONRPC")
        #expect(card["supportedInterfaces"]?.array?.map { $0["protocolVersion"]?.string } == ["1.0", "0.3"])
        #expect(card["supportedInterfaces"]?[0]?["url"] == card["url"])
    }

    @Test("a host that could not stand in an address is not repeated")
    func strangeHost() async throws {
        let request = Request(method: .get, path: "/.well-known/agent.json", headers: ["Host": "x\"/><script>"])
        let response = try await service().handle(request)
        guard case .bytes(let bytes) = response.body else { throw ConnectionLost() }
        #expect(try JSONValue(parsing: bytes)["url"]?.string == "http://ws-1:8000")
    }

    @Test(
        "other paths and methods are refused",
        arguments: [(Method.get, "/", 405), (.post, "/.well-known/agent.json", 405), (.get, "/x", 404), (.post, "/v1", 404)])
    func otherRoutes(method: Method, path: String, status: Int) async throws {
        #expect(try await service().handle(Request(method: method, path: path)).status == status)
    }

    @Test("a quiet stream gets comments")
    func keepAlive() async throws {
        let clock = ManualClock()
        let service = MessageService(
            handler: CommandHandler(command: .init(arguments: ["/bin/sh", "-c", "cat >/dev/null; sleep 300"], timeoutSeconds: 300)),
            board: TaskBoard(clock: clock),
            clock: clock)
        let sink = RecordingSink()
        let message = try IncomingMessage(params: try JSONValue(parsing: request03())["params"] ?? .null, version: .v03)
        let exchange = A2AExchange(version: .v03, requestID: 1, contextID: nil, clock: clock, random: SeededRandom(seed: 1))
        let streaming = Task { try await service.stream(message, exchange, to: sink) }
        while await !String(decoding: sink.bytes, as: UTF8.self).contains(": ping\n\n") {
            if clock.sleeperCount > 0 { clock.advance(by: .seconds(15)) }
            await Task.yield()
        }
        streaming.cancel()
        _ = await streaming.result
        #expect(service.board.snapshot().activeTasks == 0)
    }
}
