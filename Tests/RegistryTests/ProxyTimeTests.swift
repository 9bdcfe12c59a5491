import HTTP
import Model
import Proxy
import TestSupport
import Testing

@Suite("The proxy: silence and ceilings", .timeLimit(.minutes(1)))
struct ProxyTimeTests {
    let rig = ProxyRig()
    /// Takes the message and never answers.
    let agent = ScriptedServer { connection in
        _ = connection.readRequest()
        connection.note("received")
        connection.waitForClose()
        connection.note("closed")
    }

    private func begin(from caller: Caller = .person, headers: Headers = Headers()) async -> Task<Response, Never> {
        let call = Task { await rig.dispatch(from: caller, headers: headers) }
        await agent.notes.wait(for: "received")
        await rig.hub.notes.wait(for: "asked 1")
        await until { rig.clock.sleeperCount == 1 }
        return call
    }

    /// Lets `seconds` pass, and waits until the watch sleeps again.
    private func pass(_ seconds: Int) async {
        rig.clock.advance(by: .seconds(seconds))
        await until { rig.clock.sleeperCount == 1 }
    }

    @Test("an agent that is silent for the window is cut, and the caller told to come again")
    func idle() async {
        rig.serve(agent)
        let call = await begin()
        rig.clock.advance(by: .seconds(300))
        let response = await call.value
        #expect(response.status == 503 && response.code == "agent_busy" && response.headers["Retry-After"] == "30")
        #expect(response.json["busy"] == true && response.json["retry_after"] == 30 && response.json["native_session"] == nil)
        await agent.notes.wait(for: "closed")
        #expect(!rig.hub.notes.all.contains("ACTIVITY_LOGGED"), "a failure of ours is no sign of work")
    }

    @Test("an agent's own window wins, and a native session is marked")
    func override() async {
        rig.serve(agent) { $0.overrides = RuntimeOverrides(idleTimeoutSeconds: 10, capabilities: ["session": true]) }
        let call = await begin()
        rig.clock.advance(by: .seconds(10))
        #expect(await call.value.json["native_session"] == true)
    }

    @Test("the agent's own events reset the window", arguments: [EventKind.taskUpdated, .activityLogged, .agentMessage])
    func progress(kind: EventKind) async {
        rig.serve(agent)
        let call = await begin()
        await pass(200)
        rig.hub.tell(kind)
        await rig.hub.notes.wait(for: "asked 2")
        await pass(299)
        rig.clock.advance(by: .seconds(1))
        #expect(await call.value.code == "agent_busy")
    }

    @Test("beats do not: they prove the process only; nor do other workspaces' events")
    func beats() async {
        rig.serve(agent)
        let call = await begin()
        await pass(200)
        rig.hub.tell(.taskUpdated, of: Sample.sampleID(2))
        rig.hub.tell(.heartbeat)
        await rig.hub.notes.wait(for: "asked 2")
        rig.clock.advance(by: .seconds(100))
        #expect(await call.value.code == "agent_busy")
    }

    @Test("bytes of the answer reset the window")
    func bytes() async {
        let source = SteppedSource()
        rig.book.add(Sample.workspace(1, url: "http://127.0.0.1:1"))
        let proxy = rig.proxy(over: FixedTransport(type: "application/json", source: source))
        let call = Task { await proxy.dispatch(to: Sample.id, from: .person, request: ProxyRig.request(ProxyRig.message)) }
        await source.notes.wait(for: "asked 1")
        await until { rig.clock.sleeperCount == 1 }
        await pass(250)
        source.feed("ab")
        await source.notes.wait(for: "asked 2")
        await pass(299)
        source.feed("cde")
        source.end()
        #expect(await call.value.text == "abcde")
    }

    @Test("however busy the agent is, a dispatch for another agent ends at the ceiling")
    func ceiling() async {
        rig.serve(agent)
        let call = await begin(from: .workspace(Sample.id))
        for round in 1...6 {
            await pass(299)
            rig.hub.tell(.taskUpdated)
            await rig.hub.notes.wait(for: "asked \(round + 1)")
        }
        rig.clock.advance(by: .seconds(6))
        #expect(await call.value.code == "agent_busy")
    }

    @Test("X-Timeout is a deadline of the dispatch itself, for a person too")
    func askedDeadline() async {
        rig.serve(agent)
        let call = await begin(headers: ["X-Timeout": "20"])
        rig.clock.advance(by: .seconds(20))
        #expect(await call.value.code == "agent_busy")
    }
}

@Suite("The proxy: streams", .timeLimit(.minutes(1)))
struct ProxyStreamTests {
    let rig = ProxyRig()

    @Test("events arrive one by one, as they come, and end when the agent ends")
    func oneByOne() async throws {
        let gate = Gate()
        let agent = ScriptedServer { connection in
            connection.beginEvents()
            for number in 1...3 {
                connection.write("data: \(number)\n\n")
                gate.waitUntilOpen()
            }
        }
        rig.serve(agent)
        let response = await rig.dispatch(ProxyRig.streamMessage)
        #expect(response.status == 200 && response.headers["Content-Type"] == "text/event-stream; charset=utf-8")
        let sink = NotedSink()
        let relay = Task { try await response.write(to: sink) }
        var expected = ""
        for number in 1...3 {
            expected += "data: \(number)\n\n"
            await sink.notes.wait(for: expected)
            gate.open()
        }
        try await relay.value
        #expect(sink.text == expected)
    }

    @Test("a caller that hangs up cancels the agent's work")
    func hangUp() async {
        let agent = ScriptedServer { connection in
            connection.beginEvents()
            connection.write("data: 1\n\n")
            connection.waitForClose()
            connection.note("closed")
        }
        rig.serve(agent)
        let sink = NotedSink()
        let relay = Task {
            let response = await rig.dispatch(ProxyRig.streamMessage)
            try await response.write(to: sink)
        }
        await sink.notes.wait(for: "data: 1\n\n")
        relay.cancel()
        await agent.notes.wait(for: "closed")
        await #expect(throws: (any Error).self) { try await relay.value }
    }

    @Test("a response that nobody reads lets the agent go")
    func dropped() async {
        let agent = ScriptedServer { connection in
            connection.beginEvents()
            connection.waitForClose()
            connection.note("closed")
        }
        rig.serve(agent)
        _ = await rig.dispatch(ProxyRig.streamMessage)
        await agent.notes.wait(for: "closed")
    }

    @Test("a quiet stream is kept alive by comments, never within an event")
    func keepAlive() async throws {
        let gate = Gate()
        let agent = ScriptedServer { connection in
            connection.beginEvents()
            connection.write("data: 1\n\n")
            gate.waitUntilOpen()
            connection.write("data: 2\n")
            gate.waitUntilOpen()
            connection.write("\n")
        }
        rig.serve(agent)
        let response = await rig.dispatch(ProxyRig.streamMessage)
        let sink = NotedSink()
        let relay = Task { try await response.write(to: sink) }
        await sink.notes.wait(for: "data: 1\n\n")
        await until { rig.clock.sleeperCount == 2 }
        rig.clock.advance(by: .seconds(15))
        await sink.notes.wait(for: "data: 1\n\n: ping\n\n")
        gate.open()
        await sink.notes.wait(for: "data: 1\n\n: ping\n\ndata: 2\n")
        await until { rig.clock.sleeperCount == 2 }
        rig.clock.advance(by: .seconds(15))
        await until { rig.clock.sleeperCount == 2 }
        gate.open()
        try await relay.value
        #expect(sink.text == "data: 1\n\n: ping\n\ndata: 2\n\n")
    }

    @Test("a stream whose agent falls silent is cut, comments notwithstanding")
    func idle() async {
        let agent = ScriptedServer { connection in
            connection.beginEvents()
            connection.write("data: 1\n\n")
            connection.waitForClose()
            connection.note("closed")
        }
        rig.serve(agent)
        let response = await rig.dispatch(ProxyRig.streamMessage)
        let sink = NotedSink()
        let relay = Task { try await response.write(to: sink) }
        await sink.notes.wait(for: "data: 1\n\n")
        await until { rig.clock.sleeperCount == 2 }
        rig.clock.advance(by: .seconds(290))
        await sink.notes.wait(for: "data: 1\n\n: ping\n\n")
        await until { rig.clock.sleeperCount == 2 }
        rig.clock.advance(by: .seconds(10))
        await #expect(throws: (any Error).self) { try await relay.value }
        await agent.notes.wait(for: "closed")
    }

    @Test("a reader that is behind holds the agent back: nothing is taken that cannot be given on")
    func backpressure() async throws {
        let source = CountingSource()
        let sink = HeldSink()
        rig.book.add(Sample.workspace(1, url: "http://127.0.0.1:1"))
        let proxy = rig.proxy(over: FixedTransport(source: source))
        let response = await proxy.dispatch(to: Sample.id, from: .person, request: ProxyRig.request(ProxyRig.streamMessage))
        let relay = Task { try await response.write(to: sink) }
        for taken in 1...3 {
            await sink.notes.wait(for: "writing \(taken)")
            #expect(source.taken == taken)
            sink.release()
        }
        await sink.notes.wait(for: "writing 4")
        relay.cancel()
        sink.release()
        _ = await relay.result
    }
}
