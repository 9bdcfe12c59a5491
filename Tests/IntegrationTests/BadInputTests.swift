import Foundation
import HTTP
import Model
import Testing

/// What a person, a script or an agent can get wrong over HTTP: a stable code, the cause, and the next step.
@Suite("bad input over HTTP", .serialized, .enabled(if: World.engineHost != nil, "make test sets BERTH_TEST_DOCKER_HOST"))
struct BadInputTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let method: HTTP.Method
        let path: String
        var body: JSONValue?
        let status: Int
        let code: ErrorCode
        /// A word the sentence must hold: the cause, not just the code.
        var cause = ""

        var testDescription: String { name }
    }

    private static func creation(_ name: String, _ body: JSONValue, _ status: Int, _ code: ErrorCode, _ cause: String = "") -> Case {
        Case(name: name, method: .post, path: "/workspaces", body: body, status: status, code: code, cause: cause)
    }

    static let nobody = "00000000-0000-4000-8000-000000000000"

    static let cases: [Case] = [
        creation("no name", ["template": "echo"], 400, .invalidRequest),
        creation("a line break in the name", ["name": "a\nb", "template": "echo"], 400, .invalidField),
        creation("a template that is not there", ["name": "n", "template": "nosuch"], 400, .templateNotFound, "nosuch"),
        creation("a template that leaves its directory", ["name": "n", "template": "../etc"], 400, .templateNotFound),
        creation("a template with a fault", ["name": "n", "template": "broken"], 400, .templateInvalid, "line 3"),
        creation("an unknown runtime", ["name": "n", "runtime": "cobol"], 400, .runtimeUnknown, "cobol"),
        creation("a tier that is not allowed", ["name": "n", "template": "echo", "tier": 4], 403, .tierNotAllowed, "4"),
        creation("a tier that does not exist", ["name": "n", "template": "echo", "tier": 9], 403, .tierNotAllowed, "9"),
        creation(
            "a reserved variable as a secret", ["name": "n", "template": "echo", "secrets": ["WORKSPACE_ID": "x"]], 400, .envReserved,
            "WORKSPACE_ID"),
        creation("a host directory nobody opened", ["name": "n", "template": "echo", "workspace_dir": "/etc"], 400, .invalidField),
        creation(
            "an external agent at a metadata address", ["name": "n", "external": true, "url": "http://169.254.169.254/"], 400, .unsafeURL),
        creation("a field of the wrong type", ["name": "n", "template": "echo", "tier": "two"], 400, .invalidRequest),
        Case(name: "an id that is none", method: .get, path: "/workspaces/not-an-id", status: 400, code: .invalidWorkspaceID),
        Case(name: "a workspace that is not there", method: .get, path: "/workspaces/\(nobody)", status: 404, code: .workspaceNotFound),
        Case(name: "deleting what is not there", method: .delete, path: "/workspaces/\(nobody)", status: 404, code: .workspaceNotFound),
        Case(name: "logs with a bad tail", method: .get, path: "/workspaces/\(nobody)/logs?tail=many", status: 400, code: .invalidRequest),
        Case(name: "a route that is not there", method: .get, path: "/nowhere", status: 404, code: .notFound),
        Case(name: "a method that is not there", method: .put, path: "/workspaces", body: [:], status: 405, code: .methodNotAllowed),
        Case(
            name: "a message to nobody", method: .post, path: "/workspaces/\(nobody)/a2a", body: message("x"), status: 404,
            code: .workspaceNotFound),
    ]

    @Test("has a stable code, a cause and a next step", arguments: Database.allCases)
    func table(database: Database) async throws {
        try await World.run(database) { world in
            try world.echoTemplate()
            try world.template("broken", "name: Broken\nruntime: echo\ntier: [not, a, tier]\n")
            let daemon = try await world.start()
            defer { daemon.stop() }
            for bad in Self.cases {
                let reply = try await daemon.call(bad.method, bad.path, bad.body)
                expect(reply, bad.status, bad.code, bad.name, cause: bad.cause)
            }
            #expect(try await daemon.call(.get, "/workspaces").body == [], "nothing half-made stays")
        }
    }

    @Test("callers without the right bearer are turned away", arguments: Database.allCases)
    func bearers(database: Database) async throws {
        try await World.run(database) { world in
            let daemon = try await world.start()
            defer { daemon.stop() }
            expect(try await daemon.call(.get, "/workspaces", bearer: "wrong"), 401, .adminAuthInvalid, "wrong bearer")
            expect(try await daemon.call(.get, "/workspaces", bearer: ""), 401, .adminAuthRequired, "no bearer")
            let beat: JSONValue = ["workspace_id": .string(Self.nobody)]
            expect(try await daemon.call(.post, "/registry/heartbeat", beat, bearer: "wrong"), 401, .workspaceAuthInvalid, "wrong token")
        }
    }

    @Test("bodies that are too large or no JSON are refused, and the daemon goes on", arguments: Database.allCases)
    func bodies(database: Database) async throws {
        try await World.run(database) { world in
            let daemon = try await world.start()
            defer { daemon.stop() }
            let huge: JSONValue = ["name": .string(String(repeating: "x", count: 2 << 20))]
            expect(try await daemon.call(.post, "/workspaces", huge), 413, .payloadTooLarge, "2 MiB")
            expect(
                try await daemon.call(.post, "/workspaces/\(Self.nobody)/a2a", .string("not an object")), 404, .workspaceNotFound,
                "order of checks")
            #expect(try await daemon.call(.get, "/healthz").status == 200)
        }
    }
}

/// Holds a reply to the three promises of an error: code, cause, next step.
func expect(
    _ reply: (status: Int, body: JSONValue), _ status: Int, _ code: ErrorCode, _ name: String, cause: String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(reply.status == status, "\(name): \(reply.body.text)", sourceLocation: sourceLocation)
    #expect(reply.body["code"]?.string == code.rawValue, "\(name): \(reply.body.text)", sourceLocation: sourceLocation)
    #expect(reply.body["error"]?.string?.isEmpty == false, "\(name)", sourceLocation: sourceLocation)
    #expect(reply.body["next"]?.string?.isEmpty == false, "\(name) names no next step: \(reply.body.text)", sourceLocation: sourceLocation)
    #expect(
        cause.isEmpty || reply.body.text.contains(cause), "\(name) does not say \(cause): \(reply.body.text)",
        sourceLocation: sourceLocation)
}
