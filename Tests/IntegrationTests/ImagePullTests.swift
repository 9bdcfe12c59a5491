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
            let registry = try await Registry.start(world)
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
            let registry = try await Registry.start(world)
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

/// Debian's OCI registry on a free loopback port, with its storage in the test's directory.
private final class Registry: Sendable {
    let address: String
    private let process: Process

    private init(address: String, process: Process) {
        self.address = address
        self.process = process
    }

    static func start(_ world: World) async throws -> Registry {
        let port = Int.random(in: 20_000...39_999)
        let config = world.directory + "/registry.yml"
        try """
        version: 0.1
        storage:
          filesystem:
            rootdirectory: \(world.directory)/registry
        http:
          addr: 127.0.0.1:\(port)
        """.write(toFile: config, atomically: true, encoding: .utf8)
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/docker-registry")
        process.arguments = ["serve", config]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        let registry = Registry(address: "127.0.0.1:\(port)", process: process)
        _ = try await waitFor(seconds: 15, "the registry to answer") {
            let reply = try? await world.client.send(OutgoingRequest(.get, "http://127.0.0.1:\(port)/v2/"))
            return reply?.status == 200 ? true : nil
        }
        return registry
    }

    /// Puts the echo image there under `name` and takes it off the engine again. Returns the reference to pull.
    func push(_ world: World, _ name: String) throws -> String {
        let reference = "\(address)/\(name)"
        try world.docker("tag", "berth/workspace-echo:latest", reference)
        try world.docker("push", "-q", reference)
        try world.docker("rmi", reference)
        return reference
    }

    func stop() {
        process.terminate()
        process.waitUntilExit()
    }
}
