import Foundation
import HTTP
import Model
import Testing

/// Creates that are accepted and then fail: the row says why, what to do, and nothing half-made stays.
@Suite("a provision that fails", .serialized, .enabled(if: World.engineHost != nil, "make test sets BERTH_TEST_DOCKER_HOST"))
struct FailedProvisionTests {
    @Test("an image that cannot be pulled is named", arguments: Database.allCases)
    func imageMissing(database: Database) async throws {
        // A registry nobody serves: the pull itself fails. `ImagePullTests` has a registry that answers.
        try await failing(database, config: "runtime: echo\nimage: 127.0.0.1:1/no-such-image:1\n") { row, world in
            expectFailure(row, .registryUnreachable, cause: "no-such-image")
            try await expectNothingLeft(world)
        }
    }

    @Test("an image whose command exits carries its exit code and its last lines", arguments: Database.allCases)
    func commandExits(database: Database) async throws {
        try await failing(database, config: "runtime: echo\nimage: \(FailingImage.exits)\n") { row, world in
            expectFailure(row, .containerExited, cause: "7")
            #expect(row["failure"]?["exit_code"]?.int == 7)
            #expect(row["failure"]?["log_tail"]?.string?.contains("about to fail") == true)
            try await expectNothingLeft(world)
        }
    }

    @Test("an image whose command is not there says so in its last lines", arguments: Database.allCases)
    func commandMissing(database: Database) async throws {
        try await failing(database, config: "runtime: echo\nimage: \(FailingImage.noCommand)\n") { row, world in
            // The engine's init process is what starts; it ends with 127 when it cannot find the command.
            expectFailure(row, .containerExited, cause: "/no/such/command")
            #expect(row["failure"]?["exit_code"]?.int == 127)
            try await expectNothingLeft(world)
        }
    }

    @Test("a required variable that nobody set is named before anything is made", arguments: Database.allCases)
    func variableMissing(database: Database) async throws {
        try await World.run(database) { world in
            try world.template("strict", "runtime: echo\nruntime_config:\n  required_env: [MUST_BE_THERE]\n")
            let daemon = try await world.start()
            defer { daemon.stop() }
            let reply = try await daemon.call(.post, "/workspaces", ["name": "n", "template": "strict"])
            if reply.status == 201 {
                let row = try await daemon.workspace(reply.body["id"]?.string ?? "", reaches: ["failed"])
                expectFailure(row, .envMissing, cause: "MUST_BE_THERE")
            } else {
                expect(reply, 400, .envMissing, "missing variable", cause: "MUST_BE_THERE")
            }
            try await expectNothingLeft(world)
        }
    }

    @Test("an agent that never comes fails the row and leaves the container, and is welcome later", arguments: Database.allCases)
    func neverRegisters(database: Database) async throws {
        try await World.run(database) { world in
            try FailingImage.build(world)
            try world.template("silent", "runtime: echo\nimage: \(FailingImage.silent)\n")
            let daemon = try await world.start(["PROVISION_TIMEOUT_SECONDS": "2"])
            defer { daemon.stop() }
            let id = try await create(daemon, ["name": "silent", "template": "silent"])
            let row = try await daemon.workspace(id, reaches: ["failed"])
            expectFailure(row, .registerTimeout)
            let container = try #require(try world.containers().first)
            #expect(container["State"]?["Running"]?.bool == true)

            let token = try world.docker("exec", container["Id"]?.string ?? "", "/bin/busybox", "cat", "/configs/.auth_token")
                .trimmingCharacters(in: .whitespacesAndNewlines)
            let beat = try await daemon.call(.post, "/registry/heartbeat", ["workspace_id": .string(id)], bearer: token)
            #expect(beat.status == 200)
            _ = try await daemon.workspace(id, within: 5, reaches: ["online"])
        }
    }

    private func failing(_ database: Database, config: String, _ check: (JSONValue, World) async throws -> Void) async throws {
        try await World.run(database) { world in
            try FailingImage.build(world)
            try world.template("doomed", config)
            let daemon = try await world.start()
            defer { daemon.stop() }
            let id = try await create(daemon, ["name": "doomed", "template": "doomed"])
            let row = try await daemon.workspace(id, reaches: ["failed"])
            try await check(row, world)
        }
    }

    private func expectFailure(_ row: JSONValue, _ code: ErrorCode, cause: String = "", sourceLocation: SourceLocation = #_sourceLocation) {
        let failure = row["failure"]
        #expect(failure?["code"]?.string == code.rawValue, "\(row.text)", sourceLocation: sourceLocation)
        #expect(failure?["message"]?.string?.isEmpty == false, sourceLocation: sourceLocation)
        #expect(failure?["next"]?.string?.isEmpty == false, "\(row.text)", sourceLocation: sourceLocation)
        #expect(cause.isEmpty || failure?.text.contains(cause) == true, "\(row.text)", sourceLocation: sourceLocation)
    }

    /// The row says `failed` first, with its cause; then container and volumes go.
    private func expectNothingLeft(_ world: World) async throws {
        _ = try await waitFor(seconds: 15, "containers and volumes to go") {
            try world.containers().isEmpty && world.volumes().isEmpty ? true : nil
        }
    }
}

/// Small images that fail in a chosen way, made from the echo image so that nothing has to be pulled.
enum FailingImage {
    static let exits = "berth-test/exits:1"
    static let noCommand = "berth-test/no-command:1"
    static let silent = "berth-test/silent:1"

    static func build(_ world: World) throws {
        try build(world, exits, #"ENTRYPOINT ["/bin/busybox", "sh", "-c", "echo about to fail; exit 7"]"#)
        try build(world, noCommand, #"ENTRYPOINT ["/no/such/command"]"#)
        try build(world, silent, #"ENTRYPOINT ["/bin/busybox", "sleep", "600"]"#)
    }

    private static func build(_ world: World, _ tag: String, _ line: String) throws {
        guard try world.docker("images", "-q", tag).isEmpty else { return }
        let directory = world.directory + "/image"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try "FROM berth/workspace-echo:latest\n\(line)\n".write(toFile: directory + "/Dockerfile", atomically: true, encoding: .utf8)
        try world.docker("build", "-q", "-t", tag, directory)
    }
}
