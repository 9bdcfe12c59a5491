import Foundation
import HTTP
import Model
import TestSupport
import Testing

@Suite(
    "an engine and a database server that crash under load", .serialized,
    .enabled(if: World.engineHost != nil && PrivateEngine.isPossible, "make test sets BERTH_TEST_DOCKER_HOST; needs root"))
struct EngineFaultSerialTests {
    private static let load = 6

    @Test("the engine is killed while workspaces are made and restarted: when it is back, each runs once, with its files")
    func engineKilled() async throws {
        let engine = try await PrivateEngine.start()
        do {
            try await World.run(engine: engine.socketPath) { world in
                try world.echoTemplate(beatSeconds: 5)
                try loadImage(into: world)
                let daemon = try await world.start(quickLife)
                defer { daemon.stop() }
                var ids: [String] = []
                for number in 1...Self.load { ids.append(try await world.online(daemon, "w\(number)")) }
                for id in ids { try world.mark(id) }
                for id in ids.prefix(3) { try await daemon.call(.post, "/workspaces/\(id)/restart") }
                for number in 1...3 {
                    let made = try await daemon.call(.post, "/workspaces", ["name": .string("late\(number)"), "template": "echo"])
                    ids.append(try #require(made.body["id"]?.string))
                }
                try await engine.kill()
                let before = try await statuses(ids, daemon)
                _ = try await waitFor(seconds: 20, "the daemon to notice") {
                    try await daemon.call(.get, "/readyz").status == 503 ? true : nil
                }
                #expect(!before.contains("removed"))
                try await engine.restart()
                for id in ids.prefix(Self.load) { try await answers(id, world, daemon) }
                var failed = 0
                for id in ids.dropFirst(Self.load) { failed += try await endsTruthfully(id, world, daemon) ? 0 : 1 }
                for id in ids.prefix(Self.load) { #expect(try world.mark(of: id, at: "/workspace/mark") == id) }
                #expect(try world.containers().count == ids.count - failed)
            }
        } catch {
            try await engine.stop()
            throw error
        }
        try await engine.stop()
    }

    private func statuses(_ ids: [String], _ daemon: Daemon) async throws -> [String] {
        var all: [String] = []
        for id in ids { all.append(try await daemon.call(.get, "/workspaces/\(id)").body["status"]?.string ?? "") }
        return all
    }

    private func answers(_ id: String, _ world: World, _ daemon: Daemon) async throws {
        _ = try await waitFor(seconds: 90, "an answer of \(id); log: \(daemon.news(30))") {
            let answer = try await daemon.call(.post, "/workspaces/\(id)/a2a", message("alive"))
            return answer.body["result"]?["parts"]?[0]?["text"]?.string == "echo: alive" ? true : nil
        }
        #expect(try world.onlyContainer(of: id).containerIsRunning)
    }

    /// One that had not begun when the engine went may have failed for that, and then has nothing left. True when it runs.
    private func endsTruthfully(_ id: String, _ world: World, _ daemon: Daemon) async throws -> Bool {
        let row = try await daemon.workspace(id, within: 90, reaches: ["online", "failed"])
        guard row["status"] == "failed" else { return true }
        #expect(row["failure"]?["code"] == "engine_unavailable")
        _ = try await waitFor(seconds: 30, "its things to go") { try world.containers(of: id).isEmpty ? true : nil }
        return false
    }

    private func loadImage(into world: World) throws {
        let host = try #require(World.engineHost)
        let copy = Process()
        copy.executableURL = URL(filePath: "/bin/sh")
        copy.arguments = ["-c", "docker -H \(host) save berth/workspace-echo:latest | docker -H unix://\(world.engineSocket) load"]
        copy.standardOutput = FileHandle.nullDevice
        try copy.run()
        copy.waitUntilExit()
        try #require(copy.terminationStatus == 0)
    }

    @Test("the database server is restarted under load: no row is wrong afterwards, and beats are taken again")
    func databaseRestarted() async throws {
        let server = try await PostgresServer.start(durable: true)
        let url = try await server.makeDatabase()
        do {
            try await World.run { world in
                try world.echoTemplate(beatSeconds: 5)
                let daemon = try await world.start(quickLife.merging(["DATABASE_URL": url]) { $1 })
                defer { daemon.stop() }
                var ids: [String] = []
                for number in 1...3 { ids.append(try await world.online(daemon, "w\(number)")) }
                let containers = try ids.map { try world.onlyContainer(of: $0).containerID }
                let late = try await daemon.call(.post, "/workspaces", ["name": "late", "template": "echo"])
                let lateID = try #require(late.body["id"]?.string)
                await server.stop()
                // A death that nobody can write down yet.
                try world.docker("kill", containers[0])
                let away = try await daemon.call(.get, "/workspaces/\(ids[0])")
                #expect(away.status == 503 && away.body["code"] == "platform_unavailable")
                try await server.restart()
                for id in ids + [lateID] { try await answers(id, world, daemon) }
                #expect(try ids.map { try world.onlyContainer(of: $0).containerID } == containers, "nothing was made anew")
                for id in ids { _ = try await daemon.workspace(id, within: 60, reaches: ["online"]) }
            }
        } catch {
            await server.remove()
            throw error
        }
        await server.remove()
    }
}
