import Model
import Synchronization
import TestSupport
import Testing

@testable import Docker

@Suite("The version is agreed on with the engine")
struct EngineVersionTests {
    private static func image(_ call: StubEngineSocket.Call, _ path: String) -> StubEngineSocket.Reply {
        StubEngineSocket.Reply(200, json: ["Id": "sha256:1", "RepoDigests": .null])
    }

    @Test(
        "both speak the newest that both know",
        arguments: [("1.41", "1.12", "/v1.41/"), ("1.52", "1.44", "/v1.52/"), ("1.54", "1.44", "/v1.52/"), ("1.47", "1.24", "/v1.47/")])
    func newestOfBoth(newest: String, oldest: String, spoken: String) async throws {
        let stubbed = try StubbedEngine(newest: newest, oldest: oldest, answer: Self.image)
        defer { stubbed.stub.stop() }
        #expect(try await stubbed.engine.image("img:1")?.id == "sha256:1")
        #expect(try await stubbed.engine.image("img:1") != nil)
        #expect(stubbed.versioned == Array(repeating: spoken + "images/img:1/json", count: 2))
        #expect(stubbed.stub.calls.filter { $0.path == "/_ping" }.count == 1, "it is asked once")
    }

    @Test("an engine below our floor is too old, one above our ceiling too new")
    func outOfRange() async throws {
        let old = try StubbedEngine(newest: "1.40", answer: Self.image)
        let new = try StubbedEngine(newest: "1.60", oldest: "1.53", answer: Self.image)
        defer {
            old.stub.stop()
            new.stub.stop()
        }
        let tooOld = try await backendError { _ = try await old.engine.probe() }
        #expect(tooOld.code == .engineTooOld && tooOld.kind == .refused && tooOld.next != nil)
        let tooNew = try await backendError { _ = try await new.engine.image("img:1") }
        #expect(tooNew.code == .engineTooNew && new.versioned.isEmpty)
    }

    @Test("an engine upgraded under us refuses one call, which is repeated in the version it wants")
    func upgraded() async throws {
        let versions = Mutex(StubVersions(newest: "1.43", oldest: "1.24"))
        let stubbed = try StubbedEngine(settings: EngineSettings()) { call in
            versions.withLock { $0 }.answer(call) { _, _ in StubEngineSocket.Reply(201, json: [:]) }
        }
        defer { stubbed.stub.stop() }
        let labels = WorkspaceLabels(workspace: try sampleWorkspace())
        try await stubbed.engine.createVolume("one", labels: labels)
        versions.withLock { $0 = StubVersions(newest: "1.52", oldest: "1.44") }
        try await stubbed.engine.createVolume("two", labels: labels)
        #expect(stubbed.versioned == ["/v1.43/volumes/create", "/v1.43/volumes/create", "/v1.52/volumes/create"])
        versions.withLock { $0 = StubVersions(newest: "1.41", oldest: "1.12") }
        try await stubbed.engine.createVolume("three", labels: labels)
        #expect(stubbed.versioned.suffix(2) == ["/v1.52/volumes/create", "/v1.41/volumes/create"], "a downgrade is the same")
    }

    @Test("a 400 that is not about the version is not repeated")
    func plainRefusal() async throws {
        let stubbed = try StubbedEngine { _, _ in StubEngineSocket.Reply(400, json: ["message": "no"]) }
        defer { stubbed.stub.stop() }
        let error = try await backendError { try await stubbed.engine.start("c") }
        #expect(error.code == .commandNotFound && stubbed.versioned == ["/v1.41/containers/c/start"])
    }

    @Test("the version is asked for again after the connection was lost")
    func reconnect() async throws {
        let cut = Mutex(false)
        let stubbed = try StubbedEngine { _, _ in
            cut.withLock { $0 }
                ? StubEngineSocket.Reply(200, steps: [.bytes([0x7B]), .cut]) : StubEngineSocket.Reply(200, json: ["Id": "1"])
        }
        defer { stubbed.stub.stop() }
        _ = try await stubbed.engine.image("img")
        cut.withLock { $0 = true }
        let error = try await backendError { _ = try await stubbed.engine.image("img") }
        #expect(error.kind == .unavailable && error.code == .engineUnavailable)
        cut.withLock { $0 = false }
        _ = try await stubbed.engine.image("img")
        #expect(stubbed.stub.calls.filter { $0.path == "/_ping" }.count == 2)
    }

    @Test("a socket that is no engine's is an engine error, whatever the call was")
    func noEngine() async throws {
        let stubbed = try StubbedEngine(settings: EngineSettings()) { _ in .text(404, "nothing here") }
        defer { stubbed.stub.stop() }
        let error = try await backendError { _ = try await stubbed.engine.createContainer(try sampleSpec()) }
        #expect(error.code == .engineError && error.kind == .failed)
        #expect(try await backendError { _ = try await stubbed.engine.probe() }.code == .engineError)
    }

    @Test("an engine that names no oldest version is spoken to in ours")
    func noOldest() async throws {
        let stubbed = try StubbedEngine(settings: EngineSettings()) { call in
            guard call.path == "/version" else { return StubVersions(newest: "1.60", oldest: "1.0").answer(call, else: Self.image) }
            return StubEngineSocket.Reply(200, json: ["Version": "x"])
        }
        defer { stubbed.stub.stop() }
        _ = try await stubbed.engine.image("img:1")
        #expect(stubbed.versioned == ["/v1.52/images/img:1/json"])
    }

    @Test("podman's socket is spoken to as an engine of its API version")
    func podman() async throws {
        let stubbed = try StubbedEngine(settings: EngineSettings()) { call in
            guard call.path == "/_ping" else { return StubVersions(newest: "1.41", oldest: "1.24").answer(call, else: Self.image) }
            return .text(200, headers: ["Api-Version": "1.41", "Libpod-Api-Version": "4.3.1"], "OK")
        }
        defer { stubbed.stub.stop() }
        #expect(try await stubbed.engine.probe().apiVersion == "1.41")
    }
}
