import HTTP
import HTTPClient
import Model

/// Calls to the people's door of `berthd`. Errors are `CommandError`s ready to print.
struct DaemonClient: Sendable {
    let baseURL: String
    let token: String?
    let transport: CurlTransport

    /// Answers to short calls are read up to this many bytes.
    private static let answerLimit = 32 * 1024 * 1024
    private static let short = ExchangeLimits(connect: .seconds(5), head: .seconds(60), total: .seconds(90))

    func get(_ path: String) async throws -> JSONValue { try await call(.get, path) }

    func call(_ method: Method, _ path: String, body: JSONValue? = nil) async throws -> JSONValue {
        let (status, answer) = try await exchange(method, path, body: body)
        guard (200..<300).contains(status) else { throw Self.refusal(status, answer, at: baseURL) }
        return answer ?? .null
    }

    /// Status and parsed body of any answer; nil when the body is not JSON.
    func exchange(_ method: Method, _ path: String, body: JSONValue? = nil) async throws -> (status: Int, body: JSONValue?) {
        let response = try await open(method, path, body: body, limits: Self.short)
        let bytes = try await reporting { try await response.body.collect(limit: Self.answerLimit) }
        return (response.status, try? JSONValue(parsing: bytes))
    }

    /// Sends a request and returns when the head has come, whatever its status.
    func open(
        _ method: Method, _ path: String, headers: Headers = Headers(), body: JSONValue? = nil, limits: ExchangeLimits
    ) async throws -> IncomingResponse {
        var request = OutgoingRequest(method, baseURL + path, headers: headers, limits: limits)
        if let token { request.headers["Authorization"] = "Bearer \(token)" }
        if let body {
            request.headers["Content-Type"] = "application/json"
            request.body = .bytes(body.bytes)
        }
        return try await reporting { [request] in try await transport.send(request) }
    }

    /// A body that is read as it comes; anything but success is thrown.
    func stream(_ path: String, headers: Headers = Headers(), limits: ExchangeLimits) async throws -> IncomingResponse {
        let response = try await open(.get, path, headers: headers, limits: limits)
        guard response.status == 200 else {
            let bytes = try await reporting { try await response.body.collect(limit: Self.answerLimit) }
            throw Self.refusal(response.status, try? JSONValue(parsing: bytes), at: baseURL)
        }
        return response
    }

    func reporting<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws -> Result {
        do {
            return try await body()
        } catch let error as TransportError {
            throw Self.failure(error, at: baseURL)
        } catch is BodyTooLarge {
            throw CommandError(.failed, code: "answer_too_large", "the daemon's answer is larger than \(Self.answerLimit) bytes")
        }
    }

    /// What an answer other than success means.
    static func refusal(_ status: Int, _ body: JSONValue?, at url: String) -> CommandError {
        guard let code = body?["code"]?.string else {
            return CommandError(
                status == 401 || status == 403 ? .unauthorised : .failed, code: "unexpected_answer",
                "\(url) answered \(status) in a way berthd does not", next: "See what listens there; BERTH_URL chooses another address.")
        }
        let message = body?["error"]?.string ?? "the daemon answered \(status)"
        return CommandError(
            exitCode(status, code), code: code, message, next: hint(code, body) ?? body?["next"]?.string)
    }

    private static func exitCode(_ status: Int, _ code: String) -> ExitCode {
        switch ErrorCode(rawValue: code) {
        case .workspaceUnavailable, .agentUnreachable, .agentBusy, .registerTimeout: return .notOnline
        case .workspaceRemoved: return .notFound
        default: break
        }
        switch status {
        case 401, 403: return .unauthorised
        case 404: return .notFound
        default: return .failed
        }
    }

    /// What a person at a shell does about it, where the daemon's own advice is for HTTP clients.
    private static func hint(_ code: String, _ body: JSONValue?) -> String? {
        switch ErrorCode(rawValue: code) {
        case .adminAuthRequired, .adminAuthInvalid:
            "Set BERTH_TOKEN, or STATE_DIR to the daemon's state directory so that its admin-token file is found."
        case .workspaceUnavailable:
            switch body?["status"]?.string.flatMap(WorkspaceStatus.init(rawValue:)) {
            case .paused: "'berth workspaces resume WORKSPACE' starts it again."
            case .failed: "'berth workspaces get WORKSPACE' says why; 'berth workspaces restart WORKSPACE' tries again."
            case .hibernated, .hibernating: "It is being woken: send the message again in a few seconds."
            case .provisioning, .online, .degraded, .offline, .awaitingAgent, .removed, nil:
                body?["next"]?.string ?? "'berth workspaces watch WORKSPACE' shows when it is online."
            }
        default: nil
        }
    }

    static func failure(_ error: TransportError, at url: String) -> CommandError {
        switch error.reason {
        case .cannotResolve, .connectionRefused, .socketMissing, .permissionDenied, .connectTimeout, .addressNotAllowed, .tls, .other:
            CommandError(
                .unreachable, code: "daemon_unreachable", "no berthd answers at \(url)",
                next: "Start it with 'berth up', or set BERTH_URL to where it listens; 'berth doctor' looks closer.")
        case .headTimeout, .stalled, .totalTimeout:
            CommandError(
                .notOnline, code: "timed_out", "\(url) did not answer in time",
                next: "Try again; 'berth status' says how the daemon stands.")
        case .connectionReset, .cancelled:
            CommandError(
                .unreachable, code: "connection_lost", "the connection to \(url) broke off",
                next: "See whether the daemon still runs: 'berth status'.")
        case .invalidURL: CommandError(.usage, code: "usage", "\(url) is not a URL berth can use", next: "Correct BERTH_URL.")
        }
    }
}
