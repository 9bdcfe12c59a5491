import Foundation
import HTTPClient
import Model
import TestSupport
import Testing

/// Which database a run of the daemon uses.
enum Database: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case sqlite, postgres

    var testDescription: String { rawValue }
}

/// One test's own piece of a real engine: a directory, an instance id, a network, and everything labelled with it. Two runs can share an engine.
final class World: Sendable {
    let directory: String
    let instance: String
    let engineSocket: String
    let client = CurlTransport()
    let database: Database
    private let databaseURL: String?

    /// The engine that `make test` found or started; nil when there is none to test against.
    static var engineHost: String? { ProcessInfo.processInfo.environment["BERTH_TEST_DOCKER_HOST"] }

    private init(directory: String, instance: String, engineSocket: String, database: Database, databaseURL: String?) {
        self.directory = directory
        self.instance = instance
        self.engineSocket = engineSocket
        self.database = database
        self.databaseURL = databaseURL
    }

    /// Runs `body` in a world of its own and cleans up after it, whatever happens.
    static func run(_ database: Database = .sqlite, engine: String? = nil, _ body: (World) async throws -> Void) async throws {
        let instance = "it-" + UUID().uuidString.lowercased().prefix(13)
        let directory = FileManager.default.temporaryDirectory.appending(path: instance).path()
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let socket = engine ?? String((engineHost ?? "unix:///var/run/docker.sock").dropFirst("unix://".count))
        let url = database == .postgres ? try await PostgresServer.shared().makeDatabase() : nil
        let world = World(directory: directory, instance: instance, engineSocket: socket, database: database, databaseURL: url)
        do {
            try await body(world)
        } catch {
            await world.cleanUp()
            throw error
        }
        await world.cleanUp()
    }

    /// What the daemon is started with. Intervals are short so that a test waits for facts, not for clocks.
    func environment(_ extra: [String: String] = [:]) -> [String: String] {
        var environment = [
            "STATE_DIR": directory + "/state", "PORT": "0", "DOCKER_HOST": "unix://" + engineSocket, "MOLECULE_INSTANCE_ID": instance,
            "CONFIGS_DIR": directory + "/templates", "LOG_LEVEL": "debug", "RECOVERY_INTERVAL_SECONDS": "1",
        ]
        environment["DATABASE_URL"] = databaseURL
        return environment.merging(extra) { _, own in own }
    }

    func start(_ extra: [String: String] = [:]) async throws -> Daemon {
        try await Daemon.start(environment(extra), client: client)
    }

    /// Writes `templates/<name>/config.yaml`.
    func template(_ name: String, _ config: String) throws {
        let path = directory + "/templates/" + name
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try config.write(toFile: path + "/config.yaml", atomically: true, encoding: .utf8)
    }

    func echoTemplate(beatSeconds: Int = 30) throws {
        let beats = "observability:\n  heartbeat_interval_seconds: \(beatSeconds)\n"
        try template("echo", "name: Echo\ndescription: says it back\nversion: 1.0.0\nruntime: echo\n" + beats)
    }

    /// Containers of this world, in any state; those with the label `also`, when it is given.
    func containers(also label: String? = nil) throws -> [JSONValue] {
        var list = ["ps", "-aq", "--no-trunc", "--filter", "label=\(WorkspaceLabels.instance)=\(instance)"]
        if let label { list += ["--filter", "label=\(label)"] }
        let ids = try docker(arguments: list).split(separator: "\n").map(String.init)
        // One that goes away meanwhile is left out of the answer.
        return ids.isEmpty ? [] : try JSONValue(parsing: docker(arguments: ["inspect"] + ids)).array ?? []
    }

    func volumes() throws -> [String] {
        try docker("volume", "ls", "-q", "--filter", "label=\(WorkspaceLabels.instance)=\(instance)").split(separator: "\n").map(
            String.init)
    }

    @discardableResult
    func docker(_ arguments: String...) throws -> String { try docker(arguments: arguments) }

    func docker(arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["docker"] + arguments
        process.environment = ["DOCKER_HOST": "unix://" + engineSocket, "PATH": "/usr/bin:/bin:/usr/local/bin"]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }

    private func cleanUp() async {
        for container in (try? containers()) ?? [] {
            if let id = container["Id"]?.string { _ = try? docker("rm", "-f", id) }
        }
        for volume in (try? volumes()) ?? [] { _ = try? docker("volume", "rm", "-f", volume) }
        // An endpoint of a container that is just going holds its network for a moment.
        _ = try? await waitFor(seconds: 5, "the network to go") {
            let networks = try docker("network", "ls", "-q", "--filter", "label=\(WorkspaceLabels.instance)=\(instance)").split(
                separator: "\n")
            for network in networks { try docker("network", "rm", String(network)) }
            return networks.isEmpty ? true : nil
        }
        try? FileManager.default.removeItem(atPath: directory)
        client.close()
    }
}
