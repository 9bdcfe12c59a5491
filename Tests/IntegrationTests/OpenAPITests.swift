import Foundation
import HTTPClient
import Model
import Testing

/// The real daemon against its own description. It needs no engine: what a missing engine does to an answer is described too.
@Suite("docs/openapi.yaml against the running daemon", .timeLimit(.minutes(5)))
struct OpenAPITests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardizedFileURL.path()
    private static var hasTools: Bool { FileManager.default.fileExists(atPath: root + ".venv/bin/schemathesis") }

    @Test("schemathesis finds no answer that the description does not allow", .enabled(if: hasTools, "run scripts/python-venv.sh first"))
    func conforms() async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "oa-" + UUID().uuidString.prefix(8)).path()
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let client = CurlTransport()
        defer { client.close() }
        let daemon = try await Daemon.start(
            [
                "STATE_DIR": directory + "/state", "PORT": "0", "AGENT_LISTEN": "127.0.0.1:0",
                "DOCKER_HOST": "unix://\(directory)/none.sock",
                "CONFIGS_DIR": Self.root + "templates", "LOG_LEVEL": "info",
            ], client: client)
        defer { daemon.stop() }
        let (code, output) = try await Self.check(daemon, log: directory + "/report")
        #expect(code == 0, "\(output.suffix(6000))")
    }

    private static func check(_ daemon: Daemon, log path: String) async throws -> (code: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["bash", root + "scripts/openapi-check.sh", daemon.baseURL, daemon.adminToken]
        try Data().write(to: URL(filePath: path))
        let log = try FileHandle(forWritingTo: URL(filePath: path))
        process.standardOutput = log
        process.standardError = log
        process.standardInput = FileHandle.nullDevice
        let code = try await withCheckedThrowingContinuation { (done: CheckedContinuation<Int32, any Error>) in
            process.terminationHandler = { done.resume(returning: $0.terminationStatus) }
            do { try process.run() } catch { done.resume(throwing: error) }
        }
        return (code, try String(contentsOfFile: path, encoding: .utf8))
    }
}
