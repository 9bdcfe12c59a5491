import HTTP
import Model
import Proxy
import TestSupport
import Testing

@Suite("The proxy: who is let through, and to where", .timeLimit(.minutes(1)))
struct ProxyAdmissionTests {
    let rig = ProxyRig()

    @Test(
        "a workspace that cannot be talked to is answered by its status",
        arguments: [
            (.removed, 410, "workspace_removed", nil), (.paused, 503, "workspace_unavailable", nil),
            (.hibernated, 503, "workspace_unavailable", "15"),
            (.hibernating, 503, "workspace_unavailable", "15"), (.awaitingAgent, 503, "workspace_unavailable", nil),
            (.provisioning, 503, "workspace_unavailable", "5"),
        ] as [(WorkspaceStatus, Int, String, String?)])
    func byStatus(status: WorkspaceStatus, answer: Int, code: String, retryAfter: String?) async {
        rig.book.add(Sample.workspace(1, status, url: "http://127.0.0.1:1"))
        let response = await rig.dispatch()
        #expect(response.status == answer && response.code == code && response.headers["Retry-After"] == retryAfter)
        if answer == 503 { #expect(response.json["status"] == .string(status.rawValue)) }
    }

    @Test("a message to a hibernated workspace wakes it, one to a paused workspace does not")
    func wakes() async {
        rig.book.add(Sample.workspace(1, .hibernated))
        let response = await rig.dispatch()
        #expect(response.json["waking"] == true && response.json["retry_after"] == 15)
        rig.book.add(Sample.workspace(1, .paused))
        _ = await rig.dispatch()
        #expect(rig.sleepers.woken == [Sample.id])
    }

    @Test("a message is work from before its workspace is looked at until it is answered")
    func work() async {
        rig.book.add(Sample.workspace(1, .online, url: "http://127.0.0.1:1"))
        _ = await rig.dispatch()
        #expect(rig.sleepers.begun > 0)
        while !rig.sleepers.atWork().isEmpty { await Task.yield() }
    }

    @Test("a failed workspace is unavailable")
    func failed() async {
        rig.book.add(Sample.workspace(1, .failed, cause: .provision))
        #expect(await rig.dispatch().json["details"] == ["status": "failed"])
    }

    @Test("an unknown workspace is 404 to a person, and 403 to an agent, who learns nothing")
    func unknown() async {
        rig.book.add(Sample.workspace(2))
        #expect(await rig.dispatch().status == 404)
        #expect(await rig.dispatch(from: .workspace(Sample.sampleID(2))).status == 403)
    }

    @Test("the first failing check answers: access, then budget, then status, then the body")
    func order() async {
        rig.book.add(Sample.workspace(2, parent: 9))
        var row = Sample.workspace(1, .paused)
        row.budgetLimit = 0
        rig.book.add(row)
        let stranger = Caller.workspace(Sample.sampleID(2))
        #expect(await rig.dispatch("{nope", from: stranger).code == "access_denied")
        #expect(await rig.dispatch("{nope").code == "budget_exceeded")
        row.budgetLimit = nil
        rig.book.add(row)
        #expect(await rig.dispatch("{nope").code == "workspace_unavailable")
        rig.book.add(Sample.workspace(1, url: "http://127.0.0.1:1"))
        let malformed = await rig.dispatch("{nope")
        #expect(malformed.status == 400 && malformed.code == "invalid_json" && malformed.json["details"]?["offset"] == 1)
    }

    @Test("an exhausted budget is 402, to the agent itself too")
    func budget() async {
        var row = Sample.workspace(1)
        row.budgetLimit = 100
        row.monthlySpend = 100
        rig.book.add(row)
        #expect(await rig.dispatch(from: .workspace(Sample.id)).status == 402)
    }

    @Test("a body over the limit is 413, announced or not")
    func tooLarge() async {
        rig.book.add(Sample.workspace(1))
        #expect(await rig.dispatch(String(repeating: " ", count: 1024 * 1024 + 1)).status == 413)
        let announced = await rig.dispatch("", headers: ["Content-Length": "1048577"])
        #expect(announced.status == 413 && announced.json["details"]?["limit"] == 1_048_576)
    }

    @Test("a store that is away is 503 platform_unavailable")
    func outage() async {
        rig.book.faults.on("workspace", .fail(StoreError.unavailable))
        let response = await rig.dispatch()
        #expect(response.status == 503 && response.code == "platform_unavailable")
    }

    @Test("nobody at the agent's port is 502 agent_unreachable")
    func unreachable() async {
        rig.book.add(Sample.workspace(1, url: "http://127.0.0.1:1"))
        let response = await rig.dispatch()
        #expect(response.status == 502 && response.code == "agent_unreachable")
    }

    @Test("when the engine has moved the port, the message follows, once")
    func movedPort() async {
        let agent = ScriptedServer { $0.answer(#"{"ok":true}"#) }
        rig.book.add(Sample.workspace(1, url: "http://127.0.0.1:1"))
        rig.shelf.put([
            Sample.container(generation: 0, agentURL: "http://127.0.0.1:1"), Sample.container(agentURL: agent.url("")),
        ])
        #expect(await rig.dispatch().text == #"{"ok":true}"#)
        #expect(rig.log.text.contains { $0.contains("port has moved") })
        rig.shelf.put([Sample.container(agentURL: "http://127.0.0.1:1")])
        #expect(await rig.dispatch().code == "agent_unreachable")
    }

    @Test("a row without an address is dialled where the engine publishes its container; without an engine that is 503")
    func engineAddress() async {
        let agent = ScriptedServer { $0.answer("{}") }
        rig.book.add(Sample.workspace(1))
        rig.shelf.put([Sample.container(agentURL: agent.url(""))])
        #expect(await rig.dispatch().status == 200)
        rig.shelf.goAway()
        #expect(await rig.dispatch().code == "engine_unavailable")
    }

    @Test("an external agent is dialled at the very address that was checked, under its own name")
    func pinned() async {
        let agent = ScriptedServer { connection in
            connection.note(connection.readRequest().head.contains("Host: agent.example:") ? "named" : "unnamed")
            connection.respond(200, "{}")
        }
        // The second answer of the resolver would lead elsewhere: nobody may ask it again.
        var rig = ProxyRig(names: ["agent.example": [["127.0.0.1"], ["169.254.169.254"]]])
        rig.mode = .development
        rig.book.add(Sample.workspace(1, url: "http://agent.example:\(agent.port)/", external: true))
        #expect(await rig.dispatch().status == 200)
        #expect(agent.notes.all == ["named"] && rig.resolver.lookupCount == 1)
        let rebound = await rig.dispatch()
        #expect(rebound.status == 502 && rebound.code == "unsafe_url")
        #expect(agent.connectionCount == 1)
    }

    @Test("an external agent whose name has come to mean this host is not dialled")
    func rebound() async {
        let agent = ScriptedServer { $0.answer("{}") }
        let rig = ProxyRig(names: ["agent.example": [["127.0.0.1"]]])
        rig.book.add(Sample.workspace(1, url: "http://agent.example:\(agent.port)/", external: true))
        #expect(await rig.dispatch().code == "unsafe_url")
        #expect(agent.connectionCount == 0)
    }
}

@Suite("The proxy: a message and its answer", .timeLimit(.minutes(1)))
struct ProxyExchangeTests {
    let rig = ProxyRig()

    @Test("the agent gets the very bytes the caller sent, and the caller the agent's status, type and bytes")
    func passThrough() async {
        let sent =
            #"{ "jsonrpc":"2.0", "id":9007199254740993,"method":"message/send","params":{"message":{"messageId":"m","big":123456789012345678901234567890,"t":"<&>\u00e9"}}}"#
        let answered = #"{"id":9007199254740993 , "result":{"n":1.10,"x":"\u00e9/"}}"#
        let agent = ScriptedServer { connection in
            connection.note(connection.readRequest().body)
            connection.respond(418, headers: ["Content-Type: application/a2a+json", "Set-Cookie: a=b", "A2A-Version: 1.0"], answered)
        }
        rig.serve(agent)
        let response = await rig.dispatch(sent)
        #expect(agent.notes.all == [sent])
        #expect(response.status == 418 && response.text == answered)
        #expect(response.headers.fields == [.init("Content-Type", "application/a2a+json"), .init("A2A-Version", "1.0")])
    }

    @Test("protocol headers go on to the agent, credentials do not")
    func headers() async {
        let agent = ScriptedServer { connection in
            connection.note(connection.readRequest().head.lowercased())
            connection.respond(200, "{}")
        }
        rig.serve(agent)
        _ = await rig.dispatch(headers: [
            "A2A-Version": "1.0", "A2A-Extensions": "urn:x", "Accept": "text/event-stream", "Last-Event-ID": "7",
            "Content-Type": "application/a2a+json",
            "Authorization": "Bearer secret", "Cookie": "s=secret", "X-Workspace-ID": "secret", "X-Forwarded-For": "secret",
        ])
        let head = agent.notes.all.first ?? ""
        for line in [
            "a2a-version: 1.0", "a2a-extensions: urn:x", "accept: text/event-stream", "last-event-id: 7",
            "content-type: application/a2a+json",
        ] {
            #expect(head.contains("\r\n\(line)\r\n"))
        }
        #expect(!head.contains("secret"))
    }

    @Test("a redirect is never followed", arguments: [301, 302, 307, 308])
    func redirect(status: Int) async {
        let elsewhere = ScriptedServer { $0.answer("stolen") }
        let target = elsewhere.url()
        let agent = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.respond(status, headers: ["Location: \(target)"])
        }
        rig.serve(agent)
        let response = await rig.dispatch()
        #expect(response.status == 502 && response.code == "agent_response_invalid")
        #expect(elsewhere.connectionCount == 0)
    }

    @Test("an answer that is too large is refused, not cut")
    func tooLarge() async {
        var rig = rig
        rig.settings.responseBytes = 10
        let agent = ScriptedServer { $0.answer("12345678901") }
        rig.serve(agent)
        let response = await rig.dispatch()
        #expect(response.status == 502 && response.code == "agent_response_too_large")
    }

    @Test("an agent that hangs up unanswered may have acted: busy, delivery unknown")
    func hungUp() async {
        let agent = ScriptedServer { _ = $0.readRequest() }
        rig.serve(agent)
        let response = await rig.dispatch()
        #expect(response.status == 503 && response.code == "agent_busy" && response.json["delivery_unknown"] == true)
    }

    @Test("an answer that breaks off says whether the agent had accepted the message", arguments: [200, 500])
    func brokenOff(status: Int) async {
        let agent = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.write("HTTP/1.1 \(status) X\r\nContent-Length: 100\r\n\r\n{\"half\":")
        }
        rig.serve(agent)
        let response = await rig.dispatch()
        #expect(response.status == 502 && response.json["delivery_confirmed"] == .bool(status == 200))
    }

    @Test("a message outlives its caller; its answer is told as activity")
    func outlivesCaller() async {
        let gate = Gate()
        let agent = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.note("received")
            gate.waitUntilOpen()
            connection.respond(200, "{}")
        }
        rig.serve(agent)
        let call = Task { await rig.dispatch(from: .workspace(Sample.id)) }
        await agent.notes.wait(for: "received")
        call.cancel()
        #expect(await call.value.status == 499)
        gate.open()
        await rig.hub.notes.wait(for: "ACTIVITY_LOGGED")
    }

    @Test("a caller that hangs up before a stream has begun cancels it")
    func cancelsStream() async {
        let agent = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.note("received")
            connection.waitForClose()
            connection.note("closed")
        }
        rig.serve(agent)
        let call = Task { await rig.dispatch(ProxyRig.streamMessage) }
        await agent.notes.wait(for: "received")
        call.cancel()
        await agent.notes.wait(for: "closed")
        #expect(await call.value.status == 499)
    }
}

extension ScriptedConnection {
    /// One request with a Content-Length.
    func readRequest() -> (head: String, body: String) {
        guard let head = readHead() else { return ("", "") }
        let line = head.lowercased().split(separator: "\r\n").first { $0.hasPrefix("content-length:") }
        let length = line.flatMap { Int($0.dropFirst("content-length:".count).drop { $0 == " " }) } ?? 0
        return (head, String(decoding: read(exactly: length) ?? [], as: UTF8.self))
    }

    func answer(_ body: String) {
        _ = readRequest()
        respond(200, headers: ["Content-Type: application/json"], body)
    }

    /// The head of an event stream.
    func beginEvents() {
        _ = readRequest()
        write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n")
    }
}
