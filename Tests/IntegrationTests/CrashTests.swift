import Foundation
import Model
import Testing

/// `kill -9` at every engine call of a create, before the engine saw it and after it answered; then a start.
@Suite("a crash in the middle of a create", .serialized, .enabled(if: World.engineHost != nil, "make test sets BERTH_TEST_DOCKER_HOST"))
struct CrashTests {
    struct Point: Sendable, CustomTestStringConvertible {
        let database: Database
        let call: EngineTap.Call
        let moment: EngineTap.Moment

        var testDescription: String { "\(database.rawValue): \(moment.rawValue) \(call)" }
    }

    /// The calls of one create, in the order they are made.
    static let calls: [EngineTap.Call] = [
        .init(method: "GET", pathPart: "/images/", occurrence: 1),
        .init(method: "POST", pathPart: "/volumes/create", occurrence: 1),
        .init(method: "POST", pathPart: "/volumes/create", occurrence: 2),
        .init(method: "POST", pathPart: "/containers/create", occurrence: 1),
        .init(method: "PUT", pathPart: "/archive", occurrence: 1),
        .init(method: "POST", pathPart: "/start", occurrence: 1),
    ]

    static let points: [Point] = Database.allCases.flatMap { database in
        calls.flatMap { call in EngineTap.Moment.allCases.map { Point(database: database, call: call, moment: $0) } }
    }

    @Test("ends with exactly one container and a truthful status", arguments: points)
    func oneContainer(point: Point) async throws {
        try await World.run(point.database) { world in
            try world.echoTemplate()
            let tap = try EngineTap(socketPath: world.directory + "/tap.sock", enginePath: world.engineSocket)
            defer { tap.close() }
            let daemon = try await world.start(["DOCKER_HOST": "unix://" + tap.socketPath])
            let pid = daemon.process.processIdentifier
            tap.arm(point.call, point.moment) { kill(pid, SIGKILL) }
            let reply = try await daemon.call(.post, "/workspaces", ["name": "crash", "template": "echo"])
            let id = try #require(reply.body["id"]?.string)
            daemon.process.waitUntilExit()
            #expect(!tap.isArmed)

            let again = try await world.start(["DOCKER_HOST": "unix://" + tap.socketPath])
            defer { again.stop() }
            _ = try await again.workspace(id, reaches: ["online"])
            let containers = try world.containers()
            #expect(containers.count == 1)
            #expect(containers.first?["State"]?["Running"]?.bool == true)
            #expect(try world.volumes().count == 2)
            let answer = try await again.call(.post, "/workspaces/\(id)/a2a", message("alive"))
            #expect(answer.body["result"]?["parts"]?[0]?["text"]?.string == "echo: alive")
        }
    }
}
