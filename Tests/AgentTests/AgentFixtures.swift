import Glibc
import HTTP
import Model
import Synchronization
import TestSupport

@testable import berth_agent

/// A platform that gives prepared answers and keeps what it was sent. When the answers run out, the last one is given again.
final class ScriptedPlatform: HTTPTransport {
    struct Call: Sendable {
        let path: String
        let token: String?
        let body: JSONValue
    }

    private struct State {
        var answers: [String: [Int]]
        var calls: [Call] = []
        var waiters: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let state: Mutex<State>
    private let registerBody: JSONValue

    /// `answers`: path -> statuses in order. Status 0 is a refused connection.
    init(_ answers: [String: [Int]] = [:], registerBody: JSONValue = ["status": "registered"]) {
        state = Mutex(State(answers: answers))
        self.registerBody = registerBody
    }

    var calls: [Call] { state.withLock { $0.calls } }
    var beats: [Call] { calls.filter { $0.path == "/registry/heartbeat" } }

    /// Returns when `count` calls have arrived, or when the task is cancelled.
    func receives(_ count: Int) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = Task.isCancelled
                let there = state.withLock { state in
                    guard !isOver, state.calls.count < count else { return true }
                    state.waiters.append((count, continuation))
                    return false
                }
                if there { continuation.resume() }
            }
        } onCancel: {
            let waiting = state.withLock { state in
                defer { state.waiters = [] }
                return state.waiters
            }
            for waiter in waiting { waiter.continuation.resume() }
        }
    }

    func send(_ request: OutgoingRequest) async throws -> IncomingResponse {
        let path = String(request.url.dropFirst("http://platform".count))
        guard case .bytes(let bytes) = request.body else { throw TransportError(.other) }
        let call = Call(path: path, token: request.headers.bearer, body: try JSONValue(parsing: bytes))
        let (status, ready) = state.withLock { state in
            state.calls.append(call)
            let ready = state.waiters.filter { $0.count <= state.calls.count }
            state.waiters.removeAll { $0.count <= state.calls.count }
            let left = state.answers[path] ?? [200]
            if left.count > 1 { state.answers[path] = Array(left.dropFirst()) }
            return (left[0], ready)
        }
        for waiter in ready { waiter.continuation.resume() }
        guard status != 0 else { throw TransportError(.connectionRefused) }
        let body = path == "/registry/register" ? registerBody : ["status": "ok"]
        return IncomingResponse(status: status, headers: [:], body: BufferedSource([body.bytes]))
    }
}

/// A directory like `/configs`, removed with the value.
final class ConfigDirectory: Sendable {
    let path: String

    init() {
        var pattern = Array("/tmp/berth-agent-test-XXXXXX".utf8CString)
        precondition(mkdtemp(&pattern) != nil, "no temporary directory could be made")
        path = String(decoding: pattern.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in [".auth_token", ".auth_token.new", "config.yaml"] { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    func write(_ name: String, _ text: String) {
        let descriptor = open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        let bytes = Array(text.utf8)
        precondition(Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
        close(descriptor)
    }

    func permissions(of name: String) -> Int {
        var info = stat()
        stat("\(path)/\(name)", &info)
        return Int(info.st_mode & 0o777)
    }
}

/// Keeps what a handler writes to a response body.
actor RecordingSink: ByteSink {
    private(set) var bytes: [UInt8] = []

    func write(_ bytes: [UInt8]) async throws { self.bytes += bytes }

    func events() throws -> [JSONValue] {
        var parser = ServerSentEventParser()
        return try parser.feed(bytes).map { try JSONValue(parsing: $0.data) }
    }
}

extension AgentConfiguration {
    static func shell(_ script: String, timeoutSeconds: Int = 20) -> AgentConfiguration {
        var configuration = AgentConfiguration()
        configuration.command = Command(arguments: ["/bin/sh", "-c", script], timeoutSeconds: timeoutSeconds)
        return configuration
    }
}
