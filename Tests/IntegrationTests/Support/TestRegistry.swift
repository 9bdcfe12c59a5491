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

    /// Who is let in.
    enum Door {
        case open
        /// The user `u` with the password `p`.
        case password
        case token(TokenServer)
    }

    static func start(_ world: World, _ door: Door = .open, port: Int = Int.random(in: 20_000...31_999)) async throws -> TestRegistry {
        let (config, log) = (world.directory + "/registry-\(port).yml", world.directory + "/registry-\(port).log")
        let users = world.directory + "/users"
        // The bcrypt form of `p`.
        try "u:$2b$04$SmZAyW45U703BHqifGtJKe2nfqsJlNnf4Cnkb7tCRM51w73rsd/L2\n".write(toFile: users, atomically: true, encoding: .utf8)
        let auth =
            switch door {
            case .open: ""
            case .password: "auth: {htpasswd: {realm: test, path: \(users)}}"
            case .token(let server):
                "auth: {token: {realm: 'http://127.0.0.1:\(server.port)/token', service: registry, issuer: tokens, rootcertbundle: \(server.certificate)}}"
            }
        try """
        version: 0.1
        storage:
          filesystem:
            rootdirectory: \(world.directory)/registry
        http:
          addr: 127.0.0.1:\(port)
        \(auth)
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
    /// With `megabytes`, one of its layers is that large and cannot be compressed.
    @discardableResult
    func publish(_ world: World, _ name: String, _ lines: String..., megabytes: Int = 0) throws -> String {
        let context = world.directory + "/context-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: context, withIntermediateDirectories: true)
        var lines = ["FROM berth/workspace-echo:latest"] + lines
        if megabytes > 0 {
            try TestRegistry.noise(megabytes).write(to: URL(filePath: context + "/noise"))
            lines.append("COPY noise /noise")
        }
        return try publish(world, name, lines, in: context)
    }

    /// Puts an image there whose program no processor of this host can run.
    func publishForeign(_ world: World, _ name: String) throws {
        let context = world.directory + "/context-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: context, withIntermediateDirectories: true)
        // The head of an ELF file for a processor that nobody has.
        let head: [UInt8] = [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0xF0, 0xFF]
        try Data(head + [UInt8](repeating: 0, count: 200)).write(to: URL(filePath: context + "/agent"))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: context + "/agent")
        let platform = try world.docker("version", "-f", "{{.Server.Arch}}").contains("arm64") ? "linux/amd64" : "linux/arm64"
        let lines = ["FROM scratch", "COPY agent /agent", "LABEL n=\(UUID().uuidString)", "ENTRYPOINT [\"/agent\"]"]
        try publish(world, name, lines, in: context, "--platform", platform)
    }

    @discardableResult
    private func publish(_ world: World, _ name: String, _ lines: [String], in context: String, _ options: String...) throws -> String {
        try (lines.joined(separator: "\n") + "\n").write(toFile: context + "/Dockerfile", atomically: true, encoding: .utf8)
        let built = "berth-test/\(world.instance):\(UUID().uuidString.prefix(8).lowercased())"
        _ = try world.docker(arguments: ["build", "-q", "-t", built] + options + [context])
        let reference = try push(world, name, from: built)
        try world.docker("rmi", built)
        return reference
    }

    private static func noise(_ megabytes: Int) throws -> Data {
        guard let random = FileHandle(forReadingAtPath: "/dev/urandom"), let bytes = try random.read(upToCount: megabytes << 20) else {
            throw UnixSocket.Failed(reason: "no noise")
        }
        return bytes
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
