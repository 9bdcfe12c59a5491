import Foundation
import Model
import Testing

/// The real `berth` against a real daemon and a real agent.
@Suite("the command line", .serialized, .enabled(if: World.engineHost != nil, "make test sets BERTH_TEST_DOCKER_HOST"))
struct CommandLineTests {
    private struct Ended {
        let code: Int32
        let out: String
        let error: String
    }

    private func berth(_ daemon: Daemon, _ arguments: String..., token: String? = nil) throws -> Ended {
        let process = Process()
        process.executableURL = URL(filePath: Daemon.binary).deletingLastPathComponent().appending(path: "berth")
        process.arguments = arguments
        process.environment = ["BERTH_URL": daemon.baseURL, "BERTH_TOKEN": token ?? daemon.adminToken, "PATH": "/usr/bin:/bin"]
        let (out, error) = (Pipe(), Pipe())
        process.standardOutput = out
        process.standardError = error
        process.standardInput = FileHandle.nullDevice
        try process.run()
        // Neither stream is long enough to fill its pipe while the other is read.
        let text = String(decoding: out.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let complaint = String(decoding: error.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return Ended(code: process.terminationStatus, out: text, error: complaint)
    }

    @Test("a workspace is created with every step shown, spoken to by name, and deleted")
    func lifeOfAWorkspace() async throws {
        try await World.run { world in
            try world.echoTemplate()
            let daemon = try await world.start()
            defer { daemon.stop() }

            let created = try berth(daemon, "workspaces", "create", "scout", "--template", "echo")
            #expect(created.code == 0, "\(created.error)")
            let id = try #require(WorkspaceID(created.out.trimmingCharacters(in: .whitespacesAndNewlines)))
            for phase in ["network", "image", "volumes", "create", "copy", "start"] { #expect(created.error.contains("\n\(phase) ")) }
            #expect(created.error.hasSuffix("online       the agent has registered\n"))

            #expect(try berth(daemon, "workspaces", "send", "scout", "ahoy").out == "echo: ahoy\n")
            #expect(try berth(daemon, "workspaces", "send", id.prefix12, "ahoy", "--stream").out == "echo: ahoy\n")
            #expect(try berth(daemon, "workspaces", "list").out.contains("scout  online"))
            #expect(try berth(daemon, "workspaces", "logs", "scout").out.contains("registered"))
            #expect(try berth(daemon, "status").code == 0)

            #expect(try berth(daemon, "workspaces", "delete", "scout").code == 0)
            #expect(try berth(daemon, "workspaces", "send", "scout", "ahoy").code == 5)
            #expect(try world.containers().isEmpty)
        }
    }

    @Test("what goes wrong has its exit code, its cause and its next step")
    func failures() async throws {
        try await World.run { world in
            try world.template("mute", "name: Mute\nruntime: echo\nruntime_config:\n  image: berth-test/no-such-image:1\n")
            let daemon = try await world.start()
            defer { daemon.stop() }

            let refused = try berth(daemon, "workspaces", "list", token: "wrong")
            #expect(refused.code == 4)
            #expect(refused.error.contains("next: Set BERTH_TOKEN"))

            let failed = try berth(daemon, "workspaces", "create", "mute", "--template", "mute", "--output", "json")
            #expect(failed.code == 1)
            let object = try JSONValue(parsing: failed.out)
            #expect(object["code"]?.string.flatMap(ErrorCode.init(rawValue:)) != nil)
            #expect(object["next"]?.string?.isEmpty == false)
        }
    }
}
