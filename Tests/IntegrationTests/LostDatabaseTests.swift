import Foundation
import HTTP
import Model
import TestSupport
import Testing

/// How many workspaces a loss concerns: a few in every run, twenty in a soak.
private let fleetSize = ProcessInfo.processInfo.environment["BERTH_TEST_SOAK"] == nil ? 4 : 20

@Suite("a lost or a wrong database", .serialized, .enabled(if: World.engineHost != nil, "make test sets BERTH_TEST_DOCKER_HOST"))
struct LostDatabaseTests {
    /// A fleet with marks, and things beside it that are nobody's of ours.
    private struct Fleet {
        let ids: [String]
        let containers: [String: String]
        let decoys: Decoys

        func expectFiles(in world: World) throws {
            for id in ids {
                let container = try world.onlyContainer(of: id).containerID
                #expect(container == containers[id])
                // The last one is in the container itself.
                let marks = try world.docker("exec", container, "cat", "/workspace/mark", "/configs/mark", "/tmp/mark")
                #expect(marks == String(repeating: id + "\n", count: 3))
            }
        }
    }

    private func fleet(_ world: World, _ daemon: Daemon) async throws -> Fleet {
        var ids: [String] = []
        for number in 1...fleetSize { ids.append(try await world.online(daemon, "w\(number)")) }
        for id in ids { try world.mark(id) }
        var containers: [String: String] = [:]
        for id in ids { containers[id] = try world.onlyContainer(of: id).containerID }
        return Fleet(ids: ids, containers: containers, decoys: try Decoys(world))
    }

    private func running(_ fleet: Fleet, _ world: World) throws -> Int {
        let all = try world.containers()
        #expect(Set(all.map(\.containerID)) == Set(fleet.containers.values), "one container for each")
        return all.count(where: \.containerIsRunning)
    }

    private func allOnline(_ fleet: Fleet, _ daemon: Daemon) async throws {
        for id in fleet.ids {
            // The row alone proves nothing yet: it may say what held when the database was last in use.
            _ = try await waitFor(seconds: 60, "an answer of \(id); log: \(daemon.news(12))") {
                let answer = try await daemon.call(.post, "/workspaces/\(id)/a2a", message("alive"))
                return answer.body["result"]?["parts"]?[0]?["text"]?.string == "echo: alive" ? true : nil
            }
            _ = try await daemon.workspace(id, within: 60, reaches: ["online"])
        }
    }

    private func settings(hold: Int) -> [String: String] { quickLife.merging(["ORPHAN_WIPED_HOLD_SECONDS": "\(hold)"]) { $1 } }

    private func banner(_ daemon: Daemon) async throws -> String {
        try await waitFor(seconds: 10, "the banner") { try await daemon.call(.get, "/admin/orphans").body["banner"]?.string }
    }

    @Test(
        "lost: nothing is harmed during the hold, which says loudly why; adopted, all go on with their files", arguments: Database.allCases)
    func adoptDuringHold(_ database: Database) async throws {
        try await World.run(database) { world in
            try world.echoTemplate(beatSeconds: 5)
            var daemon = try await world.start(quickLife)
            let fleet = try await fleet(world, daemon)
            daemon.stop()
            try await world.loseDatabase()
            daemon = try await world.start(settings(hold: 600))
            defer { daemon.stop() }
            let banner = try await banner(daemon)
            for way in ["DATABASE_URL", "orphans adopt", "orphans confirm"] { #expect(banner.contains(way)) }
            _ = try await waitFor(seconds: 10, "the log to say it") {
                daemon.log.contains { $0.contains(" ERROR ") && $0.contains("orphans adopt") } ? true : nil
            }
            try await sweepsPass(3, daemon)
            #expect(try running(fleet, world) == fleetSize)
            let adopted = try await daemon.call(.post, "/admin/orphans/adopt", ["dry_run": true])
            #expect(adopted.status == 200)
            #expect(try await daemon.call(.get, "/workspaces").body.array?.isEmpty == true)
            #expect(try await daemon.call(.post, "/admin/orphans/adopt", [:]).status == 200)
            try await allOnline(fleet, daemon)
            try fleet.expectFiles(in: world)
            #expect(try await daemon.call(.get, "/admin/orphans").body["orphans"]?.array?.isEmpty == true)
            try fleet.decoys.expectUntouched()
        }
    }

    /// Returns when the sweep has ticked `count` times more.
    private func sweepsPass(_ count: Int, _ daemon: Daemon) async throws {
        var seen: Set<String> = []
        _ = try await waitFor(seconds: 30, "\(count) sweeps") {
            let tick = try await daemon.call(.get, "/admin/liveness").body["subsystems"]?["orphan-sweep"]?["last_tick_at"]?.string
            if let tick { seen.insert(tick) }
            return seen.count > count ? true : nil
        }
    }

    @Test("lost: after the hold all are quarantined, kept, and can still be adopted with their files", arguments: Database.allCases)
    func quarantineThenAdopt(_ database: Database) async throws {
        try await World.run(database) { world in
            try world.echoTemplate(beatSeconds: 5)
            var daemon = try await world.start(quickLife)
            let fleet = try await fleet(world, daemon)
            let volumes = try world.volumes()
            daemon.stop()
            try await world.loseDatabase()
            daemon = try await world.start(settings(hold: 4))
            defer { daemon.stop() }
            _ = try await waitFor(seconds: 90, "all to be quarantined") { try running(fleet, world) == 0 ? true : nil }
            #expect(try world.volumes() == volumes && world.containers().count == fleetSize)
            #expect(try await daemon.call(.post, "/admin/orphans/adopt", [:]).status == 200)
            try await allOnline(fleet, daemon)
            try fleet.expectFiles(in: world)
            try fleet.decoys.expectUntouched()
        }
    }

    @Test("confirmed, all are quarantined at once; only what is quarantined can be purged; what is restored runs again")
    func confirmRestorePurge() async throws {
        try await World.run { world in
            try world.echoTemplate(beatSeconds: 5)
            var daemon = try await world.start(quickLife)
            let fleet = try await fleet(world, daemon)
            daemon.stop()
            try await world.loseDatabase()
            daemon = try await world.start(settings(hold: 600))
            defer { daemon.stop() }
            _ = try await banner(daemon)
            let (kept, purged) = (fleet.ids[0], fleet.ids[1])
            let early = try await daemon.call(.post, "/admin/orphans/purge", ["ids": [.string(purged)]])
            #expect(early.body.text.contains("orphan_not_quarantined"))
            #expect(try running(fleet, world) == fleetSize)
            #expect(try await daemon.call(.post, "/admin/orphans/confirm", [:]).status == 200)
            #expect(try running(fleet, world) == 0)
            #expect(try await daemon.call(.post, "/admin/orphans/restore", ["ids": [.string(kept)]]).status == 200)
            #expect(try world.onlyContainer(of: kept).containerIsRunning)
            #expect(try await daemon.call(.post, "/admin/orphans/purge", ["ids": [.string(purged)]]).status == 200)
            #expect(try world.containers(of: purged).isEmpty && world.volumes().allSatisfy { !$0.contains(purged.prefix(12)) })
            try await sweepsPass(2, daemon)
            #expect(try world.onlyContainer(of: kept).containerIsRunning)
            let audit = try await daemon.call(.get, "/admin/audit?limit=1000").body.text
            for act in ["ORPHAN_FOUND", "ORPHAN_HOLD_BEGAN", "ORPHAN_CONFIRMED", "ORPHAN_QUARANTINED", "ORPHAN_RESTORED", "ORPHAN_PURGED"] {
                #expect(audit.contains(act))
            }
            try fleet.decoys.expectUntouched()
        }
    }

    @Test(
        "an empty database by mistake stops nothing; pointed back, before or after a quarantine, all run with their files",
        arguments: [600, 2])
    func wrongDatabase(hold: Int) async throws {
        try await World.run { world in
            try world.echoTemplate(beatSeconds: 5)
            var daemon = try await world.start(quickLife)
            let fleet = try await fleet(world, daemon)
            daemon.stop()
            // The same installation, and a database that is somebody's idea of the right one.
            let wrong = try await PostgresServer.shared().makeDatabase()
            daemon = try await world.start(settings(hold: hold).merging(["DATABASE_URL": wrong]) { $1 })
            if hold == 600 {
                _ = try await banner(daemon)
                try await sweepsPass(3, daemon)
                #expect(try running(fleet, world) == fleetSize)
            } else {
                _ = try await waitFor(seconds: 90, "all to be quarantined") { try running(fleet, world) == 0 ? true : nil }
            }
            daemon.stop()
            daemon = try await world.start(quickLife)
            defer { daemon.stop() }
            try await allOnline(fleet, daemon)
            try fleet.expectFiles(in: world)
            try fleet.decoys.expectUntouched()
        }
    }

    @Test("two installations on one engine: each refuses the other's database, and neither touches the other's things")
    func swapped() async throws {
        let rounds = ProcessInfo.processInfo.environment["BERTH_TEST_SOAK"] == nil ? 1 : 10
        try await World.run(.postgres) { first in
            try await World.run(.postgres) { second in
                try first.echoTemplate(beatSeconds: 5)
                try second.echoTemplate(beatSeconds: 5)
                var left = try await first.start(quickLife)
                var right = try await second.start(quickLife)
                let (mine, theirs) = (try await fleet(first, left), try await fleet(second, right))
                for _ in 1...rounds {
                    left.stop()
                    right.stop()
                    for (world, other) in [(first, second), (second, first)] {
                        let url = try #require(other.environment()["DATABASE_URL"])
                        let run = try await Daemon.runToEnd(
                            world.environment(["DATABASE_URL": url]), logPath: world.directory + "/swapped.log")
                        #expect(run.code == 1 && run.output.contains("database_foreign") && run.output.contains(other.instance))
                    }
                    try await emptied(first, mine)
                    left = try await first.start(quickLife)
                    right = try await second.start(quickLife)
                    try await allOnline(theirs, right)
                    try theirs.expectFiles(in: second)
                    #expect(try await left.call(.post, "/admin/orphans/adopt", [:]).status == 200)
                    try await allOnline(mine, left)
                    try mine.expectFiles(in: first)
                }
                left.stop()
                right.stop()
                try mine.decoys.expectUntouched()
                try theirs.decoys.expectUntouched()
            }
        }
    }

    /// One installation's database is dropped and its orphans confirmed, while the other's containers run beside them.
    private func emptied(_ world: World, _ fleet: Fleet) async throws {
        try await world.loseDatabase()
        let daemon = try await world.start(settings(hold: 600))
        _ = try await banner(daemon)
        #expect(try await daemon.call(.post, "/admin/orphans/confirm", [:]).status == 200)
        #expect(try running(fleet, world) == 0)
        daemon.stop()
    }
}

/// Containers and volumes that look like ours to a careless eye.
final class Decoys: Sendable {
    private let world: World
    private let states: [String: String]

    init(_ world: World) throws {
        self.world = world
        let stale =
            WorkspaceLabels.workspaceID + "=11111111-2222-4333-8444-" + world.instance.suffix(12).filter(\.isHexDigit).padded(to: 12)
        let sets: [[String]] = [
            [],
            ["\(WorkspaceLabels.managed)=true", stale],
            ["\(WorkspaceLabels.managed)=true", "\(WorkspaceLabels.instance)=another-of-\(world.instance)", stale],
            ["\(WorkspaceLabels.instance)=another-of-\(world.instance)"],
        ]
        var states: [String: String] = [:]
        for (number, labels) in sets.enumerated() {
            var arguments = ["run", "-d", "--name", "ws-decoy-\(number)-\(world.instance)", "--entrypoint", "/bin/busybox"]
            for label in labels { arguments += ["--label", label] }
            arguments += [
                "-v", "ws-decoy-\(number)-\(world.instance)-workspace:/workspace", "berth/workspace-echo:latest", "sleep", "3600",
            ]
            let id = try world.docker(arguments: arguments).trimmingCharacters(in: .whitespacesAndNewlines)
            states[id] = try Self.state(of: id, world)
        }
        self.states = states
    }

    private static func state(of id: String, _ world: World) throws -> String {
        try world.docker("inspect", "-f", "{{.Id}} {{.State.Running}} {{.State.StartedAt}} {{range .Mounts}}{{.Name}}{{end}}", id)
    }

    /// Each still runs, was never started again, and has its volume.
    func expectUntouched(sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(states.count == 4, sourceLocation: sourceLocation)
        for (id, state) in states {
            #expect(state.contains(" true "), sourceLocation: sourceLocation)
            #expect(try Self.state(of: id, world) == state, sourceLocation: sourceLocation)
        }
    }

    deinit {
        for id in states.keys { _ = try? world.docker("rm", "-f", "-v", id) }
        for number in 0..<4 { _ = try? world.docker("volume", "rm", "-f", "ws-decoy-\(number)-\(world.instance)-workspace") }
    }
}

extension String {
    fileprivate func padded(to count: Int) -> String { String((self + String(repeating: "0", count: count)).prefix(count)) }
}
