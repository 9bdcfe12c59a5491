import Foundation
import HTTP
import Model

/// Debian's OCI registry on a free loopback port, with its storage and its access log in the test's directory.
///
/// Images are pushed by the name `localhost:<port>/…` and pulled by `127.0.0.1:<port>/…`: what is pushed never moves a name that berthd goes by.
final class TestRegistry: Sendable {
    let port: Int
    private let process: Process
    private let log: String

    var address: String { "127.0.0.1:\(port)" }

    private init(port: Int, process: Process, log: String) {
        self.port = port
        self.process = process
        self.log = log
    }

    /// With `isPrivate`, only the user `u` with the password `p` gets in.
    static func start(_ world: World, isPrivate: Bool = false, port: Int = Int.random(in: 20_000...39_999)) async throws -> TestRegistry {
        let (config, log) = (world.directory + "/registry-\(port).yml", world.directory + "/registry-\(port).log")
        let users = world.directory + "/users"
        // The bcrypt form of `p`.
        try "u:$2b$04$SmZAyW45U703BHqifGtJKe2nfqsJlNnf4Cnkb7tCRM51w73rsd/L2\n".write(toFile: users, atomically: true, encoding: .utf8)
        try """
        version: 0.1
        storage:
          filesystem:
            rootdirectory: \(world.directory)/registry
        http:
          addr: 127.0.0.1:\(port)
        \(isPrivate ? "auth: {htpasswd: {realm: test, path: \(users)}}" : "")
        """.write(toFile: config, atomically: true, encoding: .utf8)
        _ = FileManager.default.createFile(atPath: log, contents: nil)
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/docker-registry")
        process.arguments = ["serve", config]
        let output = FileHandle(forWritingAtPath: log)
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let registry = TestRegistry(port: port, process: process, log: log)
        _ = try await waitFor(seconds: 15, "the registry to answer") {
            let reply = try? await world.client.send(OutgoingRequest(.get, "http://127.0.0.1:\(port)/v2/"))
            return [200, 401].contains(reply?.status) ? true : nil
        }
        return registry
    }

    /// Puts the echo image there under `name`. Returns the reference to pull.
    @discardableResult
    func push(_ world: World, _ name: String, from image: String = "berth/workspace-echo:latest") throws -> String {
        let pushed = "localhost:\(port)/\(name)"
        try world.docker("tag", image, pushed)
        try world.docker("push", "-q", pushed)
        try world.docker("rmi", pushed)
        return "\(address)/\(name)"
    }

    /// Puts an image there that is made from the echo image by these lines of a Dockerfile. Returns the reference to pull.
    @discardableResult
    func publish(_ world: World, _ name: String, _ lines: String...) throws -> String {
        let context = world.directory + "/context-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: context, withIntermediateDirectories: true)
        let text = (["FROM berth/workspace-echo:latest"] + lines).joined(separator: "\n") + "\n"
        try text.write(toFile: context + "/Dockerfile", atomically: true, encoding: .utf8)
        let built = "berth-test/\(world.instance):\(UUID().uuidString.prefix(8).lowercased())"
        try world.docker("build", "-q", "-t", built, context)
        let reference = try push(world, name, from: built)
        try world.docker("rmi", built)
        return reference
    }

    /// The digest that the registry names now.
    func digest(_ world: World, _ name: String) async throws -> String {
        let halves = name.split(separator: ":").map(String.init)
        var request = OutgoingRequest(.head, "http://\(address)/v2/\(halves[0])/manifests/\(halves[1])")
        request.headers["Accept"] = "application/vnd.docker.distribution.manifest.v2+json"
        request.headers["User-Agent"] = "test"
        return try await world.client.send(request).headers["Docker-Content-Digest"] ?? ""
    }

    /// Requests so far whose first line begins so, for example `GET /v2/team/echo/manifests`, apart from the test's own.
    func requests(_ beginning: String) -> Int {
        let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").count { $0.contains("\"\(beginning)") && !$0.contains("\"test\"") }
    }

    func stop() {
        process.terminate()
        process.waitUntilExit()
    }
}
