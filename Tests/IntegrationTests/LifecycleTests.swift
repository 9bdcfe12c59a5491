import Foundation
import HTTP
import Model
import Testing

@Suite("a workspace's life on a real engine", .serialized, .enabled(if: World.engineHost != nil, "make test sets BERTH_TEST_DOCKER_HOST"))
struct LifecycleTests {
    @Test("a container killed by docker is started again; one whose process dies is started by the engine; both are told as offline first")
    func killed() async throws {
        try await World.run { world in
            try world.echoTemplate()
            let daemon = try await world.start(quickLife)
            defer { daemon.stop() }
            let id = try await world.online(daemon)
            try world.mark(id)
            let container = try world.onlyContainer(of: id)
            try world.docker("kill", container.containerID)
            try await comesBack(id, daemon, after: 1)
            let pid = try #require(try world.onlyContainer(of: id)["State"]?["Pid"]?.int)
            kill(pid_t(pid), SIGKILL)
            try await comesBack(id, daemon, after: 2)
            #expect(try world.onlyContainer(of: id).containerID == container.containerID)
            #expect(try world.mark(of: id, at: "/tmp/mark") == id)
        }
    }

    /// Offline for the `count`th time, and online after it.
    private func comesBack(_ id: String, _ daemon: Daemon, after count: Int) async throws {
        _ = try await waitFor(seconds: 20, "offline and online again; log: \(daemon.log.suffix(6).joined(separator: "\n"))") {
            let lines = daemon.log.count { $0.contains("offline workspace=\(id)") }
            let row = try await daemon.call(.get, "/workspaces/\(id)")
            return lines >= count && row.body["status"] == "online" ? true : nil
        }
        let answer = try await daemon.call(.post, "/workspaces/\(id)/a2a", message("alive"))
        #expect(answer.body["result"]?["parts"]?[0]?["text"]?.string == "echo: alive")
    }

    @Test("a container removed behind our back is made anew on its volumes")
    func removed() async throws {
        try await World.run { world in
            try world.echoTemplate()
            let daemon = try await world.start(quickLife)
            defer { daemon.stop() }
            let id = try await world.online(daemon)
            try world.mark(id)
            let former = try world.onlyContainer(of: id).containerID
            try world.docker("rm", "-f", former)
            try await comesBack(id, daemon, after: 1)
            #expect(try world.onlyContainer(of: id).containerID != former)
            #expect(try world.mark(of: id, at: "/workspace/mark") == id && world.mark(of: id, at: "/configs/mark") == id)
            let row = try await daemon.call(.get, "/workspaces/\(id)")
            #expect(row.body["generation"] == 2)
        }
    }

    @Test("a crash loop ends with its cause and its last lines, the container kept, and a restart brings it back")
    func crashLoop() async throws {
        try await World.run { world in
            try world.echoTemplate()
            let daemon = try await world.start(quickLife.merging(["RESTART_BUDGET": "2"]) { $1 })
            defer { daemon.stop() }
            let id = try await world.online(daemon)
            try world.mark(id)
            let container = try world.onlyContainer(of: id).containerID
            let failed = try await waitFor(seconds: 60, "the restart budget to be spent") { () -> JSONValue? in
                try world.docker("kill", container)
                let row = try await daemon.call(.get, "/workspaces/\(id)")
                return row.body["status"] == "failed" ? row.body : nil
            }
            #expect(failed["failure"]?["code"] == "crash_loop" && failed["failure"]?["log_tail"]?.string?.isEmpty == false)
            _ = try await waitFor(seconds: 20, "the container to rest") { try world.onlyContainer(of: id).containerIsRunning ? nil : true }
            let restarted = try await daemon.call(.post, "/workspaces/\(id)/restart")
            #expect(restarted.status == 200, "\(restarted.body)")
            _ = try await daemon.workspace(id, reaches: ["online"])
            #expect(try world.mark(of: id, at: "/workspace/mark") == id)
        }
    }

    @Test("pause and hibernation keep the container and all that is in it; a resume and a message bring it back")
    func restsAndReturns() async throws {
        try await World.run { world in
            try world.echoTemplate()
            let daemon = try await world.start(quickLife)
            defer { daemon.stop() }
            let id = try await world.online(daemon)
            try world.mark(id)
            let container = try world.onlyContainer(of: id).containerID
            #expect(try await daemon.call(.post, "/workspaces/\(id)/pause").body["paused_count"] == 1)
            #expect(try !world.onlyContainer(of: id).containerIsRunning)
            #expect(try await daemon.call(.post, "/workspaces/\(id)/resume").body["resumed_count"] == 1)
            _ = try await daemon.workspace(id, reaches: ["online"])
            #expect(try await daemon.call(.post, "/workspaces/\(id)/hibernate").body["status"] == "hibernated")
            #expect(try !world.onlyContainer(of: id).containerIsRunning)
            let waking = try await daemon.call(.post, "/workspaces/\(id)/a2a", message("wake"))
            #expect(waking.status == 503 && waking.body["waking"] == true)
            _ = try await daemon.workspace(id, reaches: ["online"])
            #expect(try world.onlyContainer(of: id).containerID == container && world.mark(of: id, at: "/tmp/mark") == id)
            let operations = try await daemon.call(.get, "/workspaces/\(id)/operations")
            let kinds = operations.body["operations"]?.array?.compactMap { $0["kind"]?.string } ?? []
            #expect(kinds == ["wake", "hibernate", "resume", "pause", "create"], "\(operations.body)")
        }
    }

    @Test("a port that moved with `docker restart` is followed")
    func portMoved() async throws {
        try await World.run { world in
            try world.echoTemplate()
            let daemon = try await world.start(quickLife)
            defer { daemon.stop() }
            let id = try await world.online(daemon)
            try world.docker("restart", "-t", "1", try world.onlyContainer(of: id).containerID)
            try await comesBack(id, daemon, after: 1)
        }
    }
}
