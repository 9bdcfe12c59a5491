import Foundation
import HTTP
import Model
import Testing

/// The main job, end to end: template to talking agent on a real engine.
@Suite("a talking agent", .serialized, .enabled(if: World.engineHost != nil, "make test sets BERTH_TEST_DOCKER_HOST"))
struct TalkingAgentTests {
    @Test("a workspace made from a template answers through the proxy, and leaves nothing when deleted", arguments: Database.allCases)
    func wholePath(database: Database) async throws {
        try await World.run(database) { world in
            try world.echoTemplate()
            let daemon = try await world.start()
            defer { daemon.stop() }
            let id = try await create(daemon, ["name": "hello", "template": "echo", "secret_files": ["api-key": "hush-hush-42"]])
            let row = try await daemon.workspace(id, reaches: ["online"])
            #expect(row["agent_card"]?["name"] != nil)

            let reply = try await daemon.call(.post, "/workspaces/\(id)/a2a", message("ahoy"))
            #expect(reply.status == 200)
            #expect(reply.body["result"]?["parts"]?[0]?["text"]?.string == "echo: ahoy")

            try inspect(world, id: id)
            let deletion = try await daemon.call(.delete, "/workspaces/\(id)")
            #expect(deletion.status == 200)
            #expect(deletion.body["status"]?.string == "removed")
            #expect(try world.containers().isEmpty)
            #expect(try world.volumes().isEmpty)
            #expect(try await daemon.call(.get, "/workspaces").body == [])
        }
    }

    private func inspect(_ world: World, id: String) throws {
        let container = try #require(try world.containers().first)
        let labels = container["Config"]?["Labels"]
        #expect(labels?[WorkspaceLabels.managed]?.string == "true")
        #expect(labels?[WorkspaceLabels.instance]?.string == world.instance)
        #expect(labels?[WorkspaceLabels.workspaceID]?.string == id)
        #expect(labels?[WorkspaceLabels.runtime]?.string == "echo")
        #expect(labels?[WorkspaceLabels.template]?.string == "echo")
        #expect(labels?[WorkspaceLabels.generation]?.string == "1")
        let host = container["HostConfig"]
        #expect(host?["Memory"]?.int == 512 << 20)
        #expect(host?["MemorySwap"]?.int == 512 << 20)
        #expect(host?["PidsLimit"]?.int == 1024)
        #expect(host?["Privileged"]?.bool == false)
        #expect(host?["CapDrop"] == ["ALL"])
        #expect(host?["SecurityOpt"]?.array?.contains("no-new-privileges") == true)
        #expect(host?["RestartPolicy"]?["Name"]?.string == "unless-stopped")
        let environment = container["Config"]?["Env"]?.array?.compactMap(\.string) ?? []
        #expect(!environment.isEmpty)
        #expect(!container.text.contains("hush-hush-42"))
        let secret = try world.docker(
            "exec", container["Id"]?.string ?? "", "/bin/busybox", "stat", "-c", "%a %u", "/configs/.secrets/api-key")
        #expect(secret.contains("600 1000"))
    }

    @Test("a second daemon on the same state is refused, and the first goes on")
    func oneDaemonPerState() async throws {
        try await World.run { world in
            let daemon = try await world.start()
            defer { daemon.stop() }
            let second = try await Daemon.runToEnd(world.environment(), logPath: world.directory + "/second.log")
            #expect(second.code != 0)
            #expect(second.output.contains("already_running"))
            #expect(try await daemon.call(.get, "/healthz").status == 200)
        }
    }

    @Test("when a container has ended, its old port is nobody's: a stranger who takes it gets no message, the agent on its new one does")
    func strangerOnTheOldPort() async throws {
        try await World.run { world in
            try world.echoTemplate()
            let daemon = try await world.start()
            defer { daemon.stop() }
            let id = try await create(daemon, ["name": "gone", "template": "echo"])
            let port = try #require(try await daemon.workspace(id, reaches: ["online"])["url"]?.string?.split(separator: ":").last)
            try world.docker("stop", "-t", "0", try #require(try world.containers().first?["Id"]?.string))
            let stranger = Process()
            stranger.executableURL = URL(filePath: "/usr/bin/python3")
            stranger.arguments = ["-m", "http.server", "--bind", "127.0.0.1", String(port)]
            stranger.standardError = FileHandle.nullDevice
            stranger.standardOutput = FileHandle.nullDevice
            try stranger.run()
            defer { stranger.terminate() }
            _ = try await waitFor(seconds: 30, "the address to leave the old port; log: \(daemon.news(12))") {
                let url = try await daemon.call(.get, "/workspaces/\(id)").body["url"]?.string
                return url?.hasSuffix(":\(port)") == false ? true : nil
            }
            _ = try await waitFor(seconds: 30, "the agent to answer on its new port; log: \(daemon.news(12))") {
                let answer = try await daemon.call(.post, "/workspaces/\(id)/a2a", message("secret"))
                // The stranger would answer 501: it knows no POST.
                #expect(answer.status != 501)
                return answer.body["result"]?["parts"]?[0]?["text"]?.string == "echo: secret" ? true : nil
            }
        }
    }

    @Test("the daemon stops on SIGTERM with exit code 0 and its containers stay")
    func gracefulStop() async throws {
        try await World.run { world in
            try world.echoTemplate()
            let daemon = try await world.start()
            let id = try await create(daemon, ["name": "stays", "template": "echo"])
            _ = try await daemon.workspace(id, reaches: ["online"])
            #expect(daemon.stop() == 0)
            #expect(try world.containers().count == 1)
            let again = try await world.start()
            defer { again.stop() }
            let reply = try await again.call(.post, "/workspaces/\(id)/a2a", message("still there?"))
            #expect(reply.body["result"]?["parts"]?[0]?["text"]?.string == "echo: still there?")
        }
    }
}

/// Creates a workspace and returns its id.
func create(_ daemon: Daemon, _ body: JSONValue) async throws -> String {
    let reply = try await daemon.call(.post, "/workspaces", body)
    #expect(reply.status == 201, "\(reply.body.text)")
    return try #require(reply.body["id"]?.string)
}

func message(_ text: String) -> JSONValue {
    [
        "jsonrpc": "2.0", "id": "1", "method": "message/send",
        "params": [
            "message": ["role": "user", "kind": "message", "messageId": "m-1", "parts": [["kind": "text", "text": .string(text)]]]
        ],
    ]
}
