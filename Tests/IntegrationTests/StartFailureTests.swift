import Foundation
import Glibc
import HTTP
import Model
import TestSupport
import Testing

/// What can be wrong on the host when the daemon starts.
@Suite("a host that is not as it should be", .serialized, .enabled(if: World.engineHost != nil, "make test sets BERTH_TEST_DOCKER_HOST"))
struct StartFailureTests {
    @Test("no engine: the daemon serves, says so, and creates nothing")
    func noEngine() async throws {
        try await World.run { world in
            try world.echoTemplate()
            let daemon = try await world.start(["DOCKER_HOST": "unix://\(world.directory)/nobody.sock"])
            defer { daemon.stop() }
            try await expectEngine(daemon, .engineUnavailable)
        }
    }

    @Test("a socket this user may not open")
    func noPermission() async throws {
        try await World.run { world in
            try world.echoTemplate()
            // Root passes every permission, so the daemon runs as somebody else, from a copy that somebody else can reach.
            let copy = world.directory + "/berthd"
            try FileManager.default.copyItem(atPath: Daemon.binary, toPath: copy)
            let state = world.directory + "/state"
            try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: true)
            chmod(world.directory, 0o755)
            chown(state, 65_534, 65_534)
            let result = try await runAsNobody(
                copy, world.environment(["PORT": "0"]), until: "engine_permission_denied", log: world.directory + "/nobody.log")
            #expect(result.contains("engine_permission_denied"), "\(result)")
        }
    }

    @Test(
        "an engine that is too old, and one that is too new",
        arguments: [("1.30", "1.12", ErrorCode.engineTooOld), ("1.99", "1.90", .engineTooNew)])
    func wrongVersion(maximum: String, minimum: String, code: ErrorCode) async throws {
        try await World.run { world in
            let server = try ScriptedEngine(path: world.directory + "/engine.sock", maximum: maximum, minimum: minimum)
            defer { server.close() }
            try world.echoTemplate()
            let daemon = try await world.start(["DOCKER_HOST": "unix://\(world.directory)/engine.sock"])
            defer { daemon.stop() }
            try await expectEngine(daemon, code)
        }
    }

    @Test("the people's port is taken")
    func portTaken() async throws {
        try await World.run { world in
            let first = try await world.start()
            defer { first.stop() }
            let port = first.baseURL.split(separator: ":").last.map(String.init) ?? ""
            try await expectNoStart(world, ["STATE_DIR": world.directory + "/other", "PORT": port], .portTaken)
        }
    }

    @Test("the agents' port is taken: the daemon serves people and says what is missing")
    func agentsPortTaken() async throws {
        try await World.run { world in
            let first = try await world.start()
            defer { first.stop() }
            let address = first.baseURL.replacing("http://", with: "")
            let second = try await world.start(["STATE_DIR": world.directory + "/other", "AGENT_LISTEN": address])
            defer { second.stop() }
            try await expectUnready(second, "agents_door", .portTaken)
        }
    }

    @Test("a state directory that cannot be written")
    func stateDirectory() async throws {
        try await World.run { world in
            try "a file".write(toFile: world.directory + "/occupied", atomically: true, encoding: .utf8)
            try await expectNoStart(world, ["STATE_DIR": world.directory + "/occupied"], .stateDirectoryUnusable)
        }
    }

    @Test(
        "a key, an engine address and an instance id that cannot be used",
        arguments: [
            ("SECRETS_ENCRYPTION_KEY", "too short", ErrorCode.secretsKeyInvalid),
            ("DOCKER_HOST", "tcp://127.0.0.1:2375", .configurationInvalid),
            ("MOLECULE_INSTANCE_ID", "no spaces please", .configurationInvalid), ("AGENT_LISTEN", "nowhere", .configurationInvalid),
        ])
    func configuration(name: String, value: String, code: ErrorCode) async throws {
        try await World.run { world in try await expectNoStart(world, [name: value], code) }
    }

    @Test("a database that another process has locked")
    func databaseLocked() async throws {
        try await World.run { world in
            let path = try await usedDatabase(world)
            let holder = try sqlite(path, "import time; c.execute('BEGIN EXCLUSIVE'); print('held', flush=True); time.sleep(60)")
            defer { holder.terminate() }
            try await expectNoStart(world, [:], .databaseLocked)
        }
    }

    @Test("a database that a newer version has migrated")
    func databaseNewer() async throws {
        try await World.run { world in
            let path = try await usedDatabase(world)
            let change = try sqlite(
                path, "c.execute('UPDATE schema_migrations SET version = version + 1000'); c.commit(); print('done', flush=True)")
            change.waitUntilExit()
            try await expectNoStart(world, [:], .databaseNewer)
        }
    }

    @Test("a file that is no database")
    func databaseInvalid() async throws {
        try await World.run { world in
            try FileManager.default.createDirectory(atPath: world.directory + "/state", withIntermediateDirectories: true)
            try String(repeating: "not a database ", count: 500).write(
                toFile: world.directory + "/state/berth.db", atomically: true, encoding: .utf8)
            try await expectNoStart(world, [:], .databaseInvalid)
        }
    }

    @Test("a database server that is not there, without its password in the log")
    func databaseUnreachable() async throws {
        try await World.run { world in
            let output = try await expectNoStart(
                world, ["DATABASE_URL": "postgres://berth:hunter2secret@127.0.0.1:1/berth"], .databaseUnreachable)
            #expect(!output.contains("hunter2secret"))
        }
    }

    // MARK: what a failure must say

    @discardableResult
    private func expectNoStart(
        _ world: World, _ extra: [String: String], _ code: ErrorCode, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> String {
        let run = try await Daemon.runToEnd(world.environment(extra), logPath: world.directory + "/failed.log")
        #expect(run.code == 1, "\(run.output)", sourceLocation: sourceLocation)
        #expect(run.output.contains("code=\(code.rawValue)"), "\(run.output)", sourceLocation: sourceLocation)
        #expect(run.output.contains("next="), sourceLocation: sourceLocation)
        return run.output
    }

    private func expectUnready(_ daemon: Daemon, _ check: String, _ code: ErrorCode, sourceLocation: SourceLocation = #_sourceLocation)
        async throws
    {
        let body = try await waitFor(seconds: 15, "\(check) to fail with \(code.rawValue)") { () -> JSONValue? in
            let reply = try await daemon.call(.get, "/readyz")
            return reply.status == 503 && reply.body.text.contains(code.rawValue) ? reply.body : nil
        }
        #expect(body.text.contains(check), "\(body.text)", sourceLocation: sourceLocation)
    }

    private func expectEngine(_ daemon: Daemon, _ code: ErrorCode, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        try await expectUnready(daemon, "engine", code, sourceLocation: sourceLocation)
        let reply = try await daemon.call(.post, "/workspaces", ["name": "n", "template": "echo"])
        if reply.status == 201 {
            let row = try await daemon.workspace(reply.body["id"]?.string ?? "", reaches: ["failed"])
            #expect(row["failure"]?["code"]?.string == code.rawValue, "\(row.text)", sourceLocation: sourceLocation)
            #expect(row["failure"]?["next"]?.string?.isEmpty == false, sourceLocation: sourceLocation)
        } else {
            expect(reply, 503, code, "create without an engine", sourceLocation: sourceLocation)
        }
    }

    // MARK: ways to break a host

    private func usedDatabase(_ world: World) async throws -> String {
        try await world.start().stop()
        return world.directory + "/state/berth.db"
    }

    /// Runs a line of Python on the database file and returns when it has printed something.
    private func sqlite(_ path: String, _ code: String) throws -> Process {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/python3")
        process.arguments = ["-c", "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); \(code)", path]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        _ = output.fileHandleForReading.availableData
        return process
    }

    private func runAsNobody(_ binary: String, _ environment: [String: String], until mark: String, log: String) async throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/setpriv")
        process.arguments = ["--reuid=65534", "--regid=65534", "--clear-groups", binary]
        process.environment = environment
        try Data().write(to: URL(filePath: log))
        process.standardError = try FileHandle(forWritingTo: URL(filePath: log))
        try process.run()
        defer {
            process.terminate()
            process.waitUntilExit()
        }
        return try await waitFor(seconds: 20, "\(mark) in the log: \(Daemon.log(log).suffix(5))") {
            let text = Daemon.log(log).joined(separator: "\n")
            return text.contains(mark) ? text : nil
        }
    }
}

/// An engine that knows only its versions.
final class ScriptedEngine: Sendable {
    private let listener: Int32
    private let path: String

    init(path: String, maximum: String, minimum: String) throws {
        self.path = path
        listener = try UnixSocket.listen(path)
        let listener = listener
        startThread {
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { return }
                startThread { Self.serve(client, maximum: maximum, minimum: minimum) }
            }
        }
    }

    func close() {
        shutdown(listener, Int32(SHUT_RDWR))
        Glibc.close(listener)
        unlink(path)
    }

    private static func serve(_ client: Int32, maximum: String, minimum: String) {
        defer { Glibc.close(client) }
        var buffer = [UInt8](repeating: 0, count: 8192)
        while read(client, &buffer, buffer.count) > 0 {
            let body = #"{"ApiVersion":"\#(maximum)","MinAPIVersion":"\#(minimum)","Version":"99.0","Os":"linux"}"#
            let reply =
                "HTTP/1.1 200 OK\r\nApi-Version: \(maximum)\r\nOstype: linux\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            let bytes = Array(reply.utf8)
            guard send(client, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { return }
        }
    }
}
