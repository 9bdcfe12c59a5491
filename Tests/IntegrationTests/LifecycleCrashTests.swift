import Foundation
import HTTP
import Model
import Testing

/// `kill -9` of the daemon at every engine call that changes something in restart, pause, resume, hibernation, wake, delete and quarantine,
/// before the engine saw it and after it answered; then a start. Every store commit of these verbs lies between two such calls (or before
/// the first, or after the last), so the state after each commit is visited, too.
@Suite(
    "a crash in the middle of a workspace's life", .serialized,
    .enabled(if: World.engineHost != nil, "make test sets BERTH_TEST_DOCKER_HOST"))
struct LifecycleCrashTests {
    enum Verb: String, Sendable, CaseIterable {
        case restart, pause, resume, hibernate, wake, delete, quarantine

        /// The calls that change the engine, in their order.
        var calls: [EngineTap.Call] {
            switch self {
            case .restart:
                [
                    .init(method: "POST", pathPart: "/volumes/create", occurrence: 1),
                    .init(method: "POST", pathPart: "/volumes/create", occurrence: 2),
                    .init(method: "DELETE", pathPart: "/containers/", occurrence: 1),
                    .init(method: "POST", pathPart: "/containers/create", occurrence: 1),
                    .init(method: "PUT", pathPart: "/archive", occurrence: 1), .init(method: "POST", pathPart: "/start", occurrence: 1),
                ]
            case .pause, .hibernate, .quarantine: [.init(method: "POST", pathPart: "/stop", occurrence: 1)]
            case .resume, .wake: [.init(method: "POST", pathPart: "/start", occurrence: 1)]
            case .delete:
                [
                    .init(method: "DELETE", pathPart: "/containers/", occurrence: 1),
                    .init(method: "DELETE", pathPart: "/volumes/", occurrence: 1),
                    .init(method: "DELETE", pathPart: "/volumes/", occurrence: 2),
                ]
            }
        }
    }

    struct Point: Sendable, CustomTestStringConvertible {
        let verb: Verb
        let call: EngineTap.Call
        let moment: EngineTap.Moment
        let database: Database

        var testDescription: String { "\(verb.rawValue), \(moment.rawValue) \(call), \(database.rawValue)" }
    }

    /// Every point once, the databases in turn; in a soak run each on both.
    static let points: [Point] = {
        var points: [Point] = []
        for verb in Verb.allCases {
            for call in verb.calls {
                for moment in EngineTap.Moment.allCases {
                    let both = ProcessInfo.processInfo.environment["BERTH_TEST_SOAK"] != nil
                    let turn: Database = points.count.isMultiple(of: 2) ? .sqlite : .postgres
                    for database in both ? Database.allCases : [turn] {
                        points.append(Point(verb: verb, call: call, moment: moment, database: database))
                    }
                }
            }
        }
        return points
    }()

    @Test("ends, after the next start, with what the verb meant", arguments: points)
    func point(_ point: Point) async throws {
        try await World.run(point.database) { world in
            try world.echoTemplate()
            let tap = try EngineTap(socketPath: world.directory + "/tap.sock", enginePath: world.engineSocket)
            defer { tap.close() }
            let settings = quickLife.merging(["DOCKER_HOST": "unix://" + tap.socketPath, "ORPHAN_WIPED_HOLD_SECONDS": "600"]) { $1 }
            var daemon = try await world.start(settings)
            let id = try await world.online(daemon)
            try world.mark(id)
            if point.verb == .quarantine {
                daemon.stop()
                try await world.loseDatabase()
                daemon = try await world.start(settings)
            }
            try await prepare(point.verb, id, daemon)
            let pid = daemon.process.processIdentifier
            tap.arm(point.call, point.moment) { kill(pid, SIGKILL) }
            // The answer may be lost with the daemon.
            _ = try? await ask(point.verb, id, daemon)
            daemon.process.waitUntilExit()
            #expect(!tap.isArmed)
            let again = try await world.start(settings)
            defer { again.stop() }
            try await check(point.verb, id, world, again)
        }
    }

    private func prepare(_ verb: Verb, _ id: String, _ daemon: Daemon) async throws {
        switch verb {
        case .resume: #expect(try await daemon.call(.post, "/workspaces/\(id)/pause").status == 200)
        case .wake: #expect(try await daemon.call(.post, "/workspaces/\(id)/hibernate").status == 200)
        case .quarantine:
            _ = try await waitFor(seconds: 10, "the orphan to be found") {
                try await daemon.call(.get, "/admin/orphans").body["orphans"]?.array?.isEmpty == false ? true : nil
            }
        case .restart, .pause, .hibernate, .delete: break
        }
    }

    private func ask(_ verb: Verb, _ id: String, _ daemon: Daemon) async throws {
        switch verb {
        case .restart, .pause, .resume, .hibernate: try await daemon.call(.post, "/workspaces/\(id)/\(verb.rawValue)")
        case .wake: try await daemon.call(.post, "/workspaces/\(id)/a2a", message("wake"))
        case .delete: try await daemon.call(.delete, "/workspaces/\(id)")
        case .quarantine: try await daemon.call(.post, "/admin/orphans/confirm", ["ids": [.string(id)]])
        }
    }

    private func check(_ verb: Verb, _ id: String, _ world: World, _ daemon: Daemon) async throws {
        switch verb {
        case .restart, .resume, .wake:
            _ = try await daemon.workspace(id, reaches: ["online"])
            #expect(try world.onlyContainer(of: id).containerIsRunning)
            #expect(try world.mark(of: id, at: "/workspace/mark") == id)
            let answer = try await daemon.call(.post, "/workspaces/\(id)/a2a", message("alive"))
            #expect(answer.body["result"]?["parts"]?[0]?["text"]?.string == "echo: alive")
        case .pause, .hibernate:
            _ = try await daemon.workspace(id, reaches: [verb == .pause ? "paused" : "hibernated"])
            try await rests(id, world)
        case .delete:
            _ = try await waitFor(seconds: 30, "nothing to be left; log: \(daemon.log.suffix(6).joined(separator: "\n"))") {
                try world.containers().isEmpty && world.volumes().isEmpty ? true : nil
            }
            #expect(try await daemon.call(.get, "/workspaces/\(id)").body["status"] == "removed")
        case .quarantine:
            try await rests(id, world)
            let orphans = try await daemon.call(.get, "/admin/orphans").body["orphans"]
            #expect(orphans?[0]?["state"] == "quarantined", "\(orphans?.text ?? "")")
            #expect(try world.volumes().count == 2)
        }
    }

    private func rests(_ id: String, _ world: World) async throws {
        _ = try await waitFor(seconds: 30, "the container to rest") { try world.onlyContainer(of: id).containerIsRunning ? nil : true }
    }
}
