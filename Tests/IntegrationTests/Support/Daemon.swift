import Foundation
import HTTP
import HTTPClient
import Model
import Synchronization

/// A real `berthd` process under test, with a state directory, an instance and containers of its own.
final class Daemon: Sendable {
    struct DidNotStart: Error, CustomStringConvertible { let description: String }

    let environment: [String: String]
    let logPath: String
    let process: Process
    let baseURL: String
    let adminToken: String
    let client: CurlTransport

    private init(
        environment: [String: String], logPath: String, process: Process, baseURL: String, adminToken: String, client: CurlTransport
    ) {
        self.environment = environment
        self.logPath = logPath
        self.process = process
        self.baseURL = baseURL
        self.adminToken = adminToken
        self.client = client
    }

    static var binary: String {
        ProcessInfo.processInfo.environment["BERTH_TEST_BERTHD"]
            ?? URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../.build/debug/berthd").standardizedFileURL
            .path()
    }

    /// Starts the daemon and returns when its people's door is open.
    static func start(_ environment: [String: String], client: CurlTransport) async throws -> Daemon {
        let state = environment["STATE_DIR"] ?? ""
        let logPath = state + ".log"
        let process = try spawn(environment, logPath: logPath)
        let address = try await waitFor(seconds: 20, "the people's door of \(logPath)") { () -> String? in
            if let line = log(logPath).last(where: {
                $0.contains("people's door is open") && $0.contains(" pid=\(process.processIdentifier)")
            }) {
                return line.split(separator: " ").first { $0.hasPrefix("address=") }.map { String($0.dropFirst(8)) }
            }
            guard process.isRunning else { throw DidNotStart(description: log(logPath).suffix(5).joined(separator: "\n")) }
            return nil
        }
        let token = try String(contentsOfFile: StateFile.adminToken.path(in: state), encoding: .utf8).trimmingCharacters(
            in: .whitespacesAndNewlines)
        return Daemon(
            environment: environment, logPath: logPath, process: process, baseURL: "http://\(address)", adminToken: token, client: client)
    }

    /// Runs the daemon until it ends by itself: for starts that must fail. Returns its exit code and what it wrote.
    static func runToEnd(_ environment: [String: String], logPath: String) async throws -> (code: Int32, output: String) {
        let process = try spawn(environment, logPath: logPath)
        _ = try await waitFor(seconds: 30, "berthd to give up") { process.isRunning ? nil : true }
        return (process.terminationStatus, log(logPath).joined(separator: "\n"))
    }

    private static func spawn(_ environment: [String: String], logPath: String) throws -> Process {
        let process = Process()
        process.executableURL = URL(filePath: binary)
        process.environment = environment.merging(["PATH": "/usr/bin:/bin"]) { own, _ in own }
        try Data().write(to: URL(filePath: logPath))
        let log = try FileHandle(forWritingTo: URL(filePath: logPath))
        try log.seekToEnd()
        process.standardError = log
        process.standardOutput = log
        process.standardInput = FileHandle.nullDevice
        try process.run()
        return process
    }

    static func log(_ path: String) -> [String] {
        ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
    }

    var log: [String] { Self.log(logPath) }

    /// The last lines of the log that tell of more than a request.
    func news(_ count: Int) -> String { log.filter { !$0.contains(" DEBUG request ") }.suffix(count).joined(separator: "\n") }

    /// SIGKILL, and gone when this returns.
    func kill9() {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// SIGTERM; returns the exit code.
    @discardableResult
    func stop() -> Int32 {
        if process.isRunning { process.terminate() }
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// One call with the admin bearer (or `bearer`). Returns status and decoded body.
    @discardableResult
    func call(
        _ method: HTTP.Method, _ path: String, _ body: JSONValue? = nil, bearer: String? = nil, headers: Headers = [:],
        within seconds: Int = 60
    )
        async throws -> (status: Int, body: JSONValue)
    {
        var request = OutgoingRequest(method, baseURL + path, headers: headers, body: body.map { .bytes($0.bytes) } ?? .none)
        request.headers["Authorization"] = "Bearer \(bearer ?? adminToken)"
        if body != nil { request.headers["Content-Type"] = "application/json" }
        request.limits = ExchangeLimits(total: .seconds(seconds))
        let response = try await client.send(request)
        let bytes = try await response.body.collect(limit: 16 << 20)
        return (response.status, (try? JSONValue(parsing: bytes)) ?? .string(String(decoding: bytes, as: UTF8.self)))
    }

    /// The text of the workspace's event stream, from its first event to the first one of a kind in `kinds`.
    func events(of id: String, upTo kinds: String...) async throws -> String {
        var request = OutgoingRequest(.get, baseURL + "/workspaces/\(id)/events/stream?last_event_id=0")
        request.headers["Authorization"] = "Bearer \(adminToken)"
        let body = try await client.send(request).body
        var text = ""
        while !kinds.contains(where: text.contains), let bytes = try await body.next() { text += String(decoding: bytes, as: UTF8.self) }
        return text
    }

    /// The workspace when its status is one of `statuses`.
    func workspace(_ id: String, within seconds: Double = 30, reaches statuses: Set<String>) async throws -> JSONValue {
        try await waitFor(
            seconds: seconds, "workspace \(id) to be one of \(statuses.sorted()); log: \(log.suffix(8).joined(separator: "\n"))"
        ) {
            guard let reply = try? await self.call(.get, "/workspaces/\(id)") else { return nil }
            return reply.body["status"]?.string.map(statuses.contains) == true ? reply.body : nil
        }
    }
}

struct TimedOut: Error, CustomStringConvertible { let description: String }

/// Asks again until there is an answer. The wait is on the fact; the pause only spares the processor.
func waitFor<Answer>(seconds: Double, _ what: @autoclosure () -> String, _ ask: () async throws -> Answer?) async throws -> Answer {
    let end = ContinuousClock.now + .milliseconds(Int(seconds * 1000))
    while true {
        if let answer = try await ask() { return answer }
        guard ContinuousClock.now < end else { throw TimedOut(description: "waited \(seconds) s for \(what())") }
        try await Task.sleep(for: .milliseconds(25))
    }
}
