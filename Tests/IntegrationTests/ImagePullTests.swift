import Foundation
import HTTP
import HTTPClient
import Model
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
}
