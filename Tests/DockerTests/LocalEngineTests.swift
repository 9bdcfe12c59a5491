import Model
import Synchronization
import TestSupport
import Testing

@testable import Docker

@Suite("What the local engine asks of an engine")
struct LocalEngineTests {
    private static let network: JSONValue = [
        "Id": "n1", "Name": "berth-stub", "IPAM": ["Config": [["Subnet": "172.20.0.0/16", "Gateway": "172.20.0.1/16"]]],
    ]

    @Test("a taken network name is used when the operator made that network")
    func operatorsNetwork() async throws {
        let stubbed = try StubbedEngine { _, path in
            switch path {
            case "/networks": StubEngineSocket.Reply(200, json: [])
            case "/networks/create": StubEngineSocket.Reply(409, json: ["message": "exists"])
            default: StubEngineSocket.Reply(200, json: Self.network)
            }
        }
        defer { stubbed.stub.stop() }
        #expect(try await stubbed.engine.ensureNetwork() == WorkspaceNetwork(id: "n1", name: "berth-stub", gateway: "172.20.0.1"))
        let create = try #require(stubbed.stub.calls.first { $0.path.hasSuffix("/networks/create") })
        let body = try JSONValue(parsing: create.body)
        #expect(body["CheckDuplicate"] == true && body["Labels"]?[WorkspaceLabels.instance] == "stub-instance")
    }

    @Test("of several networks of ours with the name the oldest is used, and one of another name is not")
    func oldestNetwork() async throws {
        let stubbed = try StubbedEngine { _, path in
            guard path == "/networks" else { return StubEngineSocket.Reply(path == "/networks/n1" ? 200 : 404, json: Self.network) }
            return StubEngineSocket.Reply(
                200,
                json: [
                    ["Id": "n2", "Name": "berth-stub", "Created": "2026-11-20T10:00:01Z"], ["Id": "n0", "Name": "berth-stub-2"],
                    ["Id": "n1", "Name": "berth-stub", "Created": "2026-11-20T10:00:00Z"],
                ])
        }
        defer { stubbed.stub.stop() }
        #expect(try await stubbed.engine.ensureNetwork().id == "n1")
    }

    @Test("a removal that is under way elsewhere is waited for")
    func removalUnderWay() async throws {
        let stubbed = try StubbedEngine { call, path in
            switch (call.method, path) {
            case ("DELETE", _): StubEngineSocket.Reply(409, json: ["message": "removal is already in progress"])
            case ("POST", "/containers/c/wait"): StubEngineSocket.Reply(200, json: ["StatusCode": 0])
            default: StubEngineSocket.Reply(404, json: ["message": "no such container"])
            }
        }
        defer { stubbed.stub.stop() }
        try await stubbed.engine.removeContainer("c")
        #expect(stubbed.versioned == ["/v1.41/containers/c", "/v1.41/containers/c/wait", "/v1.41/containers/c/json"])
        #expect(stubbed.stub.calls.contains { $0.query["condition"] == "removed" })
    }

    @Test("a container that dies as it is killed is stopped first, then removed")
    func removalOfTheDying() async throws {
        let deletes = Mutex(0)
        let stubbed = try StubbedEngine { call, _ in
            guard call.method == "DELETE" else { return StubEngineSocket.Reply(304) }
            let count = deletes.withLock { count in
                count += 1
                return count
            }
            return count == 1 ? StubEngineSocket.Reply(500, json: ["message": "not running"]) : StubEngineSocket.Reply(204)
        }
        defer { stubbed.stub.stop() }
        try await stubbed.engine.removeContainer("c")
        #expect(stubbed.versioned == ["/v1.41/containers/c", "/v1.41/containers/c/stop", "/v1.41/containers/c"])
    }

    @Test("podman's 500 for a taken name is told by a look at the name")
    func podmanConflict() async throws {
        let stubbed = try StubbedEngine { _, path in
            path == "/containers/ws-sample/json"
                ? StubEngineSocket.Reply(200, json: ["Id": "x"]) : StubEngineSocket.Reply(500, json: ["message": "?"])
        }
        defer { stubbed.stub.stop() }
        #expect(try await backendError { _ = try await stubbed.engine.createContainer(try sampleSpec()) }.code == .nameConflict)
    }

    @Test("the engine's warnings are logged")
    func warnings() async throws {
        let stubbed = try StubbedEngine { _, _ in StubEngineSocket.Reply(201, json: ["Id": "x", "Warnings": ["no swap limit support"]]) }
        defer { stubbed.stub.stop() }
        #expect(try await stubbed.engine.createContainer(try sampleSpec()) == "x")
        #expect(stubbed.log.text.contains("no swap limit support"))
    }

    @Test("containers of another installation are left out, even when the engine lists them")
    func foreignContainers() async throws {
        let ours: JSONValue = [WorkspaceLabels.managed: "true", WorkspaceLabels.instance: "stub-instance"]
        let stubbed = try StubbedEngine { _, path in
            guard path == "/containers/json" else { return StubEngineSocket.Reply(404, json: [:]) }
            return StubEngineSocket.Reply(
                200,
                json: [
                    [
                        "Id": "a", "Names": ["/ws-a"], "State": "running", "Labels": ours,
                        "Ports": [["IP": "127.0.0.1", "PrivatePort": 8000, "PublicPort": 3271]],
                    ],
                    [
                        "Id": "b", "Names": ["/ws-b"], "State": "running",
                        "Labels": [WorkspaceLabels.managed: "true", WorkspaceLabels.instance: "other"],
                    ],
                    ["Id": "c", "Names": ["/ws-c"], "State": "exited", "Labels": ours],
                ])
        }
        defer { stubbed.stub.stop() }
        let found = try await stubbed.engine.containers()
        #expect(found.map(\.id) == ["a"], "c went away between the list and the look")
        #expect(found.first?.agentURL == "http://127.0.0.1:3271" && found.first?.name == "ws-a")
    }

    @Test("the events stream ends with an error when the engine goes away")
    func eventsEnd() async throws {
        let labels: JSONValue = [WorkspaceLabels.managed: "true", WorkspaceLabels.instance: "stub-instance"]
        let event: JSONValue = [
            "Type": "container", "Action": "start", "Actor": ["ID": "c", "Attributes": labels], "timeNano": 1000,
        ]
        let stubbed = try StubbedEngine { _, _ in StubEngineSocket.Reply(200, steps: [.bytes(event.bytes), .bytes([0x0A])]) }
        defer { stubbed.stub.stop() }
        var seen: [ContainerEvent.Action] = []
        let events = try await stubbed.engine.events(since: Timestamp(microseconds: 1_700_000_000_000_042))
        let error = try await backendError { for try await event in events { seen.append(event.action) } }
        #expect(seen == [.start] && error.code == .engineUnavailable)
        #expect(stubbed.stub.calls.last?.query["since"] == "1700000000.000042")
    }

    @Test("leaving the events stream hangs up on the engine")
    func eventsLeft() async throws {
        let stubbed = try StubbedEngine { _, _ in StubEngineSocket.Reply(200, steps: [.bytes([0x0A]), .silence]) }
        defer { stubbed.stub.stop() }
        let engine = stubbed.engine
        let reader = Task { for try await _ in try await engine.events(since: nil) {} }
        try await eventually { stubbed.stub.calls.contains { $0.path.hasSuffix("/events") } }
        reader.cancel()
        _ = await reader.result
        try await eventually { stubbed.stub.hangUps == 1 }
    }

    @Test("a log that is followed is hung up on when its reader has read enough")
    func logLeft() async throws {
        let frame: [UInt8] = [1, 0, 0, 0, 0, 0, 0, 2, 0x68, 0x69]
        let stubbed = try StubbedEngine { _, path in
            path.hasSuffix("/logs")
                ? StubEngineSocket.Reply(200, steps: [.bytes(frame), .silence]) : StubEngineSocket.Reply(200, json: ["Id": "c"])
        }
        defer { stubbed.stub.stop() }
        for try await chunk in try await stubbed.engine.logs(of: "c", LogOptions(follow: true)) {
            #expect(chunk == LogChunk(stream: .output, bytes: [0x68, 0x69]))
            break
        }
        try await eventually { stubbed.stub.hangUps == 1 }
    }

    @Test("the log of a container with a terminal is not taken apart")
    func terminalLog() async throws {
        let stubbed = try StubbedEngine { _, path in
            path.hasSuffix("/logs") ? .text(200, "plain text") : StubEngineSocket.Reply(200, json: ["Id": "c", "Config": ["Tty": true]])
        }
        defer { stubbed.stub.stop() }
        var bytes: [UInt8] = []
        for try await chunk in try await stubbed.engine.logs(of: "c", LogOptions(tail: 10)) { bytes += chunk.bytes }
        #expect(String(decoding: bytes, as: UTF8.self) == "plain text")
        #expect(stubbed.stub.calls.last?.query["tail"] == "10" && stubbed.stub.calls.last?.query["follow"] == nil)
    }
}
