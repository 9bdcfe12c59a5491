import Model
import Synchronization
import TestSupport

@testable import berth

/// Runs the command line in process and keeps what it writes.
final class Recorder: Sendable {
    private let outText = Mutex("")
    private let errorText = Mutex("")

    var out: String { outText.withLock { $0 } }
    var error: String { errorText.withLock { $0 } }
    /// Standard output as JSON.
    var json: JSONValue? { try? JSONValue(parsing: out) }

    func output(isTerminal: Bool = false) -> Output {
        Output(
            isTerminal: isTerminal, canAsk: false, out: { text in self.outText.withLock { $0 += text } },
            error: { text in self.errorText.withLock { $0 += text } })
    }

    func run(_ line: [String], against server: ScriptedServer? = nil, environment: [String: String] = [:]) async -> ExitCode {
        var environment = environment.merging(["STATE_DIR": "/nonexistent/berth"]) { own, _ in own }
        if let server { environment["BERTH_URL"] = server.url("") }
        return await Tool(environment: environment, output: output()).run(line)
    }
}

extension ScriptedConnection {
    /// Answers every request of the connection by its `METHOD path`; anything unknown is 404.
    func answer(_ answers: [String: (Int, String)]) {
        while let head = readHead() {
            let line = head.split(separator: " ").prefix(2).joined(separator: " ")
            if let length = Self.length(head) { _ = read(exactly: length) }
            let (status, body) = answers[line] ?? (404, #"{"error":"no such route","code":"not_found"}"#)
            respond(status, headers: ["Content-Type: application/json"], body)
        }
    }

    private static func length(_ head: String) -> Int? {
        head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length: ") }.flatMap { Int($0.dropFirst(16)) }
    }

    /// Reads a request with its body and returns both.
    func readRequest() -> (head: String, body: String)? {
        guard let head = readHead() else { return nil }
        let body = Self.length(head).flatMap { read(exactly: $0) } ?? []
        return (head, String(decoding: body, as: UTF8.self))
    }

    func startEvents() { write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n") }

    func send(event id: Int, _ type: String, _ data: String = "{}") {
        let text = "id: \(id)\ndata: {\"type\":\"\(type)\",\"timestamp\":1,\"data\":\(data)}\n\n"
        write(String(text.utf8.count, radix: 16) + "\r\n" + text + "\r\n")
    }
}
