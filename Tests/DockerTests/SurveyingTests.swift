import Glibc
import HTTP
import Model
import Synchronization
import TestSupport
import Testing

@testable import Docker

@Suite("Closer looks at an engine")
struct SurveyingTests {
    typealias Reply = StubEngineSocket.Reply

    private static let ours: JSONValue = [WorkspaceLabels.managed: "true", WorkspaceLabels.instance: "stub-instance"]

    private static func listed(_ id: String, name: String, _ state: String = "exited", labels: JSONValue = ours) -> JSONValue {
        ["Id": .string(id), "Names": [.string("/\(name)")], "State": .string(state), "Labels": labels]
    }

    @Test("volumes come with labels and time; those of another installation are left out")
    func volumes() async throws {
        let stubbed = try StubbedEngine { _, _ in
            Reply(
                200,
                json: [
                    "Volumes": [
                        ["Name": "b", "Labels": Self.ours, "CreatedAt": "2026-11-20T10:00:00Z"], ["Name": "a", "Labels": Self.ours],
                        ["Name": "foreign", "Labels": [WorkspaceLabels.managed: "true", WorkspaceLabels.instance: "other"]],
                        ["Name": "bare", "Labels": .null],
                    ]
                ])
        }
        defer { stubbed.stub.stop() }
        let volumes = try await stubbed.engine.volumes()
        #expect(volumes.map(\.name) == ["a", "b"] && volumes[0].createdAt == nil)
        #expect(volumes[1].createdAt == Timestamp(rfc3339: "2026-11-20T10:00:00Z"))
        #expect(volumes[1].labels[WorkspaceLabels.instance] == "stub-instance")
    }

    @Test("no volumes at all is an empty list")
    func noVolumes() async throws {
        let stubbed = try StubbedEngine { _, _ in Reply(200, json: ["Volumes": .null, "Warnings": .null]) }
        defer { stubbed.stub.stop() }
        #expect(try await stubbed.engine.volumes().isEmpty)
    }

    private static let inspected: JSONValue = [
        "Id": "c", "Image": "sha256:1", "State": ["Status": "running"],
        "HostConfig": ["Memory": 1024, "NanoCpus": 2_000_000_000, "PidsLimit": .null, "RestartPolicy": ["Name": "unless-stopped"]],
        "Mounts": [
            ["Type": "bind", "Source": "/src", "Destination": "/workspace", "RW": false],
            ["Type": "volume", "Name": "v", "Source": "/data/v/_data", "Destination": "/configs", "RW": true],
        ],
        "NetworkSettings": ["Ports": ["9000/tcp": .null, "8000/tcp": [["HostIp": "127.0.0.1", "HostPort": "32768"]]]],
        "Config": ["Env": ["A=1=2", "B=", "C"]],
    ]

    @Test("details are read from one inspection, and the digests from the image")
    func details() async throws {
        let stubbed = try StubbedEngine { _, path in
            switch path {
            case "/containers/c/json": Reply(200, json: Self.inspected)
            case "/images/sha256:1/json": Reply(200, json: ["Id": "sha256:1", "RepoDigests": ["img@sha256:d"]])
            default: Reply(404, json: [:])
            }
        }
        defer { stubbed.stub.stop() }
        let details = try #require(try await stubbed.engine.details(of: "c"))
        #expect(details.imageDigests == ["img@sha256:d"] && details.memoryBytes == 1024 && details.nanoCPUs == 2_000_000_000)
        #expect(details.pidsLimit == 0 && details.restartPolicy == "unless-stopped")
        #expect(
            details.mounts == [
                .init(type: "volume", source: "v", target: "/configs", readOnly: false),
                .init(type: "bind", source: "/src", target: "/workspace", readOnly: true),
            ])
        #expect(details.ports == [.init(container: "8000/tcp", hostAddress: "127.0.0.1", hostPort: 32768)])
        let environment = [EnvironmentVariable("A", "1=2"), EnvironmentVariable("B", ""), EnvironmentVariable("C", "")]
        #expect(details.environment == environment)
        #expect(stubbed.versioned == ["/v1.41/containers/c/json", "/v1.41/images/sha256:1/json"])
    }

    @Test("details of a container whose image was removed have no digests; of nobody there are none")
    func imageGone() async throws {
        let stubbed = try StubbedEngine { _, path in
            path == "/containers/c/json" ? Reply(200, json: Self.inspected) : Reply(404, json: ["message": "no such image"])
        }
        defer { stubbed.stub.stop() }
        #expect(try await stubbed.engine.details(of: "c")?.imageDigests == [])
        #expect(try await stubbed.engine.details(of: "gone") == nil)
    }

    @Test("a file is the one entry of its archive; a link in its place is nothing")
    func file() async throws {
        let stubbed = try StubbedEngine { call, _ in
            guard call.query["path"] == "/configs/token" else { return Reply(404, json: ["message": "could not find the file"]) }
            return Reply(200, steps: [.bytes(TarWriter.archive(of: [ContainerFile(path: "token", bytes: [1, 2])]))])
        }
        defer { stubbed.stub.stop() }
        #expect(try await stubbed.engine.file("/configs/token", of: "c") == [1, 2])
        #expect(try await stubbed.engine.file("/configs/none", of: "c") == nil)
    }

    @Test("an archive without the file in it is no file")
    func otherFile() async throws {
        let stubbed = try StubbedEngine { _, _ in
            Reply(200, steps: [.bytes(TarWriter.archive(of: [ContainerFile(path: "token/inner", bytes: [1])]))])
        }
        defer { stubbed.stub.stop() }
        #expect(try await stubbed.engine.file("/configs/token", of: "c") == nil)
    }

    @Test("a file whose archive breaks off is a lost engine, not a short file")
    func cutFile() async throws {
        let archive = TarWriter.archive(of: [ContainerFile(path: "token", bytes: [UInt8](repeating: 1, count: 2000))])
        let stubbed = try StubbedEngine { _, _ in Reply(200, steps: [.bytes(Array(archive.prefix(1024))), .cut]) }
        defer { stubbed.stub.stop() }
        #expect(try await backendError { _ = try await stubbed.engine.file("/configs/token", of: "c") }.kind == .unavailable)
    }

    @Test("strangers are what looks like a workspace and is not ours, from one list without a filter")
    func strangers() async throws {
        let stubbed = try StubbedEngine { _, _ in
            Reply(
                200,
                json: [
                    Self.listed("ours", name: "ws-ours"), Self.listed("named", name: "ws-named", labels: .null),
                    Self.listed("other", name: "x", labels: [WorkspaceLabels.managed: "true", WorkspaceLabels.instance: "other"]),
                    Self.listed("bare", name: "y", labels: [WorkspaceLabels.managed: "true"]),
                    Self.listed("half", name: "ws-half", labels: [WorkspaceLabels.instance: "stub-instance"]),
                    Self.listed("nothing", name: "nginx-ws-", labels: .null),
                ])
        }
        defer { stubbed.stub.stop() }
        #expect(try await stubbed.engine.strangers().map(\.id) == ["named", "other", "bare", "half"])
        #expect(stubbed.versioned.count == 1 && stubbed.stub.calls.last?.query["filters"] == nil)
    }

    @Test("what does not plainly run is inspected, a few at a time and in the order of the list; what went away is left out")
    func inspections() async throws {
        let ids = (0..<40).map { "c\($0)" }
        let busy = Mutex((now: 0, most: 0))
        let stubbed = try StubbedEngine { _, path in
            if path == "/containers/json" {
                return Reply(200, json: .array(ids.map { Self.listed($0, name: "ws-\($0)", $0 == "c1" ? "restarting" : "exited") }))
            }
            let id = String(path.split(separator: "/")[1])
            busy.withLock { busy in
                busy.now += 1
                busy.most = max(busy.most, busy.now)
            }
            // Without a little time on the engine's side, calls that could overlap would not.
            usleep(5000)
            busy.withLock { $0.now -= 1 }
            guard id != "c7" else { return Reply(404, json: [:]) }
            let state: JSONValue = ["Status": "exited", "ExitCode": 5, "StartedAt": "2026-11-20T10:00:01Z"]
            return Reply(200, json: ["Id": .string(id), "RestartCount": 2, "State": state])
        }
        defer { stubbed.stub.stop() }
        let found = try await stubbed.engine.containers()
        #expect(found.map(\.id) == ids.filter { $0 != "c7" })
        #expect(found.allSatisfy { $0.exitCode == 5 && $0.restartCount == 2 && $0.startedAt != nil })
        let most = busy.withLock { $0.most }
        #expect(most > 1 && most <= LocalEngine.inspectionsAtOnce)
    }

    @Test("an engine that goes away between the list and a look leaves no half list")
    func goneMidway() async throws {
        let stubbed = try StubbedEngine { _, path in
            path == "/containers/json"
                ? Reply(200, json: [Self.listed("a", name: "ws-a"), Self.listed("b", name: "ws-b")])
                : Reply(200, steps: [.bytes([0x7B]), .cut])
        }
        defer { stubbed.stub.stop() }
        #expect(try await backendError { _ = try await stubbed.engine.containers() }.kind == .unavailable)
    }
}
