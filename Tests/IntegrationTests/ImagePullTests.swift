import Foundation
import HTTP
import HTTPClient
import Model
import TestSupport
import Testing

/// Images that are not there yet, from a real registry.
@Suite("an image that has to be pulled", .serialized, .enabled(if: World.engineHost != nil, "make test sets BERTH_TEST_DOCKER_HOST"))
struct ImagePullTests {
    @Test("is pulled with its progress shown, and the workspace comes online")
    func pulled() async throws {
        try await World.run { world in
            let registry = try await TestRegistry.start(world)
            defer { registry.stop() }
            let image = try registry.push(world, "team/echo:1")
            try world.template("remote", "runtime: echo\nimage: \(image)\n")
            let daemon = try await world.start()
            defer { daemon.stop() }
            let id = try await create(daemon, ["name": "remote", "template": "remote"])
            _ = try await daemon.workspace(id, reaches: ["online"])
            #expect(try !world.docker("images", "-q", image).isEmpty)
            try world.docker("rmi", "-f", image)
        }
    }

    @Test("and that its registry does not have is said to be missing")
    func missing() async throws {
        try await World.run { world in
            let registry = try await TestRegistry.start(world)
            defer { registry.stop() }
            try world.template("remote", "runtime: echo\nimage: \(registry.address)/team/nothing:1\n")
            let daemon = try await world.start()
            defer { daemon.stop() }
            let id = try await create(daemon, ["name": "remote", "template": "remote"])
            let row = try await daemon.workspace(id, reaches: ["failed"])
            #expect(row["failure"]?["code"]?.string == ErrorCode.imageNotFound.rawValue, "\(row.text)")
            #expect(row["failure"]?["message"]?.string?.contains("team/nothing:1") == true)
            #expect(row["failure"]?["next"]?.string?.isEmpty == false)
        }
    }

    // MARK: Slow and bad lines

    private static let stallSeconds = 3
    private static var isSoak: Bool { ProcessInfo.processInfo.environment["BERTH_TEST_SOAK"] != nil }

    private func withSlowImage(
        megabytes: Int, bytesPerSecond: Int?, _ body: (World, SlowLine, Daemon, _ reference: String) async throws -> Void
    ) async throws {
        try await World.run { world in
            let registry = try await TestRegistry.start(world)
            defer { registry.stop() }
            try registry.publish(world, "team/large:1", megabytes: megabytes)
            let line = try SlowLine(to: registry.port, bytesPerSecond: bytesPerSecond)
            defer { line.close() }
            let reference = "\(line.address)/team/large:1"
            try world.template("remote", "runtime: echo\nimage: \(reference)\n")
            let daemon = try await world.start([
                "IMAGE_PULL_STALL_SECONDS": "\(Self.stallSeconds)", "IMAGE_MIN_FREE_MB": "0", "MAX_CONCURRENT_PROVISIONS": "10",
                "PROVISION_TIMEOUT_SECONDS": "10",
            ])
            defer { daemon.stop() }
            try await body(world, line, daemon, reference)
            try world.docker("rmi", "-f", reference)
        }
    }

    private func pull(_ daemon: Daemon) async throws -> JSONValue? {
        let images = try await daemon.call(.get, "/admin/workspace-images").body["images"]?.array
        return images?.compactMap { $0["pull"] }.first { !$0.isNull }
    }

    /// Every progress of the pull that a client of the event stream is shown, until the workspace is online.
    private func progress(of id: String, _ daemon: Daemon) async throws -> [JSONValue] {
        let text = try await daemon.events(of: id, upTo: "WORKSPACE_ONLINE")
        return text.split(separator: "\n").filter { $0.hasPrefix("data:") }.compactMap {
            (try? JSONValue(parsing: Array($0.dropFirst("data:".count).utf8)))?["data"]
        }.filter { $0["state"] == "progress" && $0["phase"] == "image" }
    }

    @Test("through a line of 1 MB/s it is never cut, and all who wait for it are shown how far it is")
    func slow() async throws {
        let megabytes = Self.isSoak ? 180 : 15
        try await withSlowImage(megabytes: megabytes, bytesPerSecond: 1 << 20) { world, _, daemon, _ in
            var ids: [String] = []
            for number in 1...10 { ids.append(try await create(daemon, ["name": .string("w\(number)"), "template": "remote"])) }
            let start = ContinuousClock.now
            let shown = try await withThrowingTaskGroup(of: [JSONValue].self) { group in
                for id in ids { group.addTask { try await progress(of: id, daemon) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(ContinuousClock.now - start > .seconds(megabytes * 8 / 10), "it was no slow line")
            #expect(shown.count == 10)
            for each in shown {
                let bytes = each.compactMap { $0["done_bytes"]?.int }
                #expect(Set(bytes).count > megabytes / 2 && bytes == bytes.sorted(), "no more than two seconds between two numbers")
                let rates = each.compactMap { $0["bytes_per_second"]?.int }.dropFirst(10)
                #expect(rates.contains { (500_000...2_000_000).contains($0) }, "\(rates)")
                #expect(each.contains { ($0["seconds_left"]?.int ?? 0) > 0 })
            }
            #expect(!daemon.log.contains { $0.contains("stalled") })
            for id in ids { #expect(try await daemon.call(.get, "/workspaces/\(id)").body["status"] == "online") }
        }
    }

    @Test("on a line that stops dead it is said to have stalled; it goes on when the line does")
    func stalled() async throws {
        try await withSlowImage(megabytes: 12, bytesPerSecond: 2 << 20) { world, line, daemon, _ in
            let id = try await create(daemon, ["name": "w", "template": "remote"])
            _ = try await waitFor(seconds: 30, "the pull to move") { line.passed > 3 << 20 ? true : nil }
            line.stop()
            let passed = line.passed
            _ = try await waitFor(seconds: Double(Self.stallSeconds + 5), "the stall to be told\n\(daemon.news(10))") {
                try await pull(daemon)?["stalled"] == true ? true : nil
            }
            #expect(line.passed < passed + 65_536)
            line.resume()
            _ = try await waitFor(seconds: 5, "the pull to be said to move again") {
                try await pull(daemon)?["stalled"] == true ? nil : true
            }
            _ = try await daemon.workspace(id, within: 60, reaches: ["online"])
        }
    }

    @Test("a layer that is damaged on its way is told as that, and the next try works")
    func damaged() async throws {
        try await withSlowImage(megabytes: 4, bytesPerSecond: nil) { world, line, daemon, _ in
            line.damage(true)
            let id = try await create(daemon, ["name": "w", "template": "remote"])
            let row = try await daemon.workspace(id, within: 120, reaches: ["failed"])
            #expect(row["failure"]?["code"]?.string == ErrorCode.imageDamaged.rawValue, "\(row.text)\n\(daemon.news(20))")
            #expect(row["failure"]?["next"]?.string?.contains("Try again") == true)
            line.damage(false)
            try await daemon.call(.post, "/workspaces/\(id)/restart")
            _ = try await daemon.workspace(id, within: 60, reaches: ["online"])
        }
    }

    @Test(
        "that does not fit on the engine's disk is told as that; with too little room it is not begun",
        .enabled(if: PrivateEngine.isPossible))
    func doesNotFit() async throws {
        let engine = try await PrivateEngine.start(diskMegabytes: 48)
        do {
            try await World.run { outside in
                let registry = try await TestRegistry.start(outside)
                defer { registry.stop() }
                let reference = try registry.publish(outside, "team/large:1", megabytes: 64)
                try await World.run(engine: engine.socketPath) { try await checkFull(reference, registry, $0) }
            }
        } catch {
            try await engine.stop()
            throw error
        }
        try await engine.stop()
    }

    private func checkFull(_ reference: String, _ registry: TestRegistry, _ world: World) async throws {
        try world.template("remote", "runtime: echo\nimage: \(reference)\n")
        var daemon = try await world.start()
        var id = try await create(daemon, ["name": "w", "template": "remote"])
        #expect(try await daemon.workspace(id, within: 60, reaches: ["failed"])["failure"]?["code"] == "disk_full")
        #expect(registry.requests("GET /v2/team/large/") == 0, "it was not begun")
        daemon.stop()

        daemon = try await world.start(["IMAGE_MIN_FREE_MB": "0"])
        defer { daemon.stop() }
        id = try await create(daemon, ["name": "x", "template": "remote"])
        let row = try await daemon.workspace(id, within: 120, reaches: ["failed"])
        #expect(row["failure"]?["code"] == "disk_full", "\(row.text)\n\(daemon.news(10))")
        #expect(row["failure"]?["next"]?.string?.contains("Free space") == true)
        #expect(registry.requests("GET /v2/team/large/blobs") > 0)
        #expect(try world.docker("images", "-q").isEmpty, "nothing half is left")
    }
}
