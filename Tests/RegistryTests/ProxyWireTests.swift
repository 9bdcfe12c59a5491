import HTTP
import HTTPClient
import HTTPServer
import Model
import TestSupport
import Testing

/// The whole way: client -> real server -> proxy -> real client -> agent, and back.
@Suite("The proxy on the wire", .timeLimit(.minutes(1)))
struct ProxyWireTests {
    let rig = ProxyRig()

    private func withDoor(_ body: (String) async throws -> Void) async throws {
        let proxy = rig.proxy
        let server = try MicroHTTPServer.start(on: .tcp(host: "127.0.0.1", port: 0), limits: ListenerLimits(), threads: 1) { request in
            await proxy.dispatch(to: Sample.id, from: .person, request: request)
        }
        do {
            try await body("http://\(server.address)/workspaces/\(Sample.id)/a2a")
        } catch {
            await server.stop(grace: .zero)
            throw error
        }
        await server.stop(grace: .zero)
    }

    private func post(_ body: String, to url: String) async throws -> IncomingResponse {
        try await CurlTransport().send(OutgoingRequest(.post, url, body: .bytes(Array(body.utf8))))
    }

    @Test("a message and its answer keep every byte")
    func message() async throws {
        let answer = #"{"jsonrpc":"2.0","id":1,"result":{"n":123456789012345678901234567890}}"#
        let agent = ScriptedServer { $0.answer(answer) }
        rig.serve(agent)
        try await withDoor { url in
            let response = try await post(ProxyRig.message, to: url)
            #expect(response.status == 200 && response.headers["Content-Type"] == "application/json")
            #expect(try await response.body.collect(limit: 10_000) == Array(answer.utf8))
        }
    }

    @Test("an event reaches the client before the agent has made the next one")
    func events() async throws {
        let gate = Gate()
        let agent = ScriptedServer { connection in
            connection.beginEvents()
            for number in 1...3 {
                connection.write("data: \(number)\n\n")
                gate.waitUntilOpen()
            }
        }
        rig.serve(agent)
        try await withDoor { url in
            let response = try await post(ProxyRig.streamMessage, to: url)
            for number in 1...3 {
                let chunk = try await response.body.next()
                #expect(chunk == Array("data: \(number)\n\n".utf8))
                gate.open()
            }
            #expect(try await response.body.next() == nil)
        }
    }

    @Test("a client that closes its connection in the middle of a stream ends the agent's work")
    func hangUp() async throws {
        let agent = ScriptedServer { connection in
            connection.beginEvents()
            connection.write("data: 1\n\n")
            connection.waitForClose()
            connection.note("closed")
        }
        rig.serve(agent)
        try await withDoor { url in
            do {
                let response = try await post(ProxyRig.streamMessage, to: url)
                #expect(try await response.body.next() != nil)
            }
            await agent.notes.wait(for: "closed")
        }
    }

    @Test("a client that closes its connection before the answer leaves the message to be answered")
    func hangUpBeforeAnswer() async throws {
        let gate = Gate()
        let agent = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.note("received")
            gate.waitUntilOpen()
            connection.respond(200, "{}")
        }
        rig.serve(agent)
        try await withDoor { url in
            let call = Task { try await post(ProxyRig.message, to: url) }
            await agent.notes.wait(for: "received")
            call.cancel()
            _ = await call.result
            gate.open()
            await rig.hub.notes.wait(for: "ACTIVITY_LOGGED")
        }
    }

    @Test("a megabyte of events passes through without being held")
    func volume() async throws {
        let event = "data: " + String(repeating: "x", count: 1000) + "\n\n"
        let agent = ScriptedServer { connection in
            connection.beginEvents()
            for _ in 0..<4096 { connection.write(event) }
        }
        rig.serve(agent)
        try await withDoor { url in
            let response = try await post(ProxyRig.streamMessage, to: url)
            #expect(try await response.body.collect(limit: 1 << 26).count == 4096 * event.utf8.count)
        }
    }
}
