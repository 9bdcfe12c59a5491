internal import HTTP
internal import Model
internal import Synchronization

/// Speaks the Engine API over one unix socket, in the newest version both sides know.
///
/// The version is agreed on once and kept. It is agreed on again when the connection was lost (the engine may have been upgraded) and
/// when the engine refuses a call with 400: if it wants another version now, the call is repeated once in that one. A call refused
/// for its version had no effect, so every method may be repeated. `EngineVersionTests` has an engine for each case.
final class EngineClient: Sendable {
    let settings: EngineSettings
    private let transport: any HTTPTransport
    private let agreed = Mutex<APIVersion?>(nil)

    static let largestAnswer = 64 << 20
    private static let largestErrorBody = 64 << 10

    init(settings: EngineSettings, transport: any HTTPTransport) {
        self.settings = settings
        self.transport = transport
    }

    /// Makes a call and reads its whole answer. Throws `EngineError` or `CancellationError`.
    func perform<Endpoint: EngineEndpoint>(_ endpoint: Endpoint) async throws -> Endpoint.Answer {
        try await answer(to: endpoint, in: try await exchange(endpoint.call))
    }

    /// Opens a call whose answer arrives over time. Dropping the source ends it.
    func open(_ stream: some EngineStream) async throws -> any ByteSource {
        let response = try await exchange(stream.call)
        guard response.status == 200 else { throw await refusal(response) }
        return response.body
    }

    /// Agrees on a version, from the engine's own mouth.
    func negotiate() async throws -> (version: APIVersion, identity: Version.Identity) {
        let ping = try await performUnversioned(Ping())
        let identity = try await performUnversioned(Version())
        guard let newest = ping.newest ?? identity.newest else { throw EngineError.unreadable("it names no API version", body: []) }
        let version = try EngineVersions(newest: newest, oldest: identity.oldest ?? .oldest).agreed()
        agreed.withLock { $0 = version }
        return (version, identity)
    }

    private func version() async throws -> APIVersion {
        if let known = agreed.withLock({ $0 }) { return known }
        return try await negotiate().version
    }

    private func exchange(_ call: EngineCall) async throws -> IncomingResponse {
        let spoken = try await version()
        let response = try await transmit(call, in: spoken)
        guard response.status == 400 else { return response }
        let wanted = try await negotiate().version
        return wanted == spoken ? response : try await transmit(call, in: wanted)
    }

    /// A refusal here is not about the call that waits for the version: it must not be explained by that call's endpoint.
    private func performUnversioned<Endpoint: EngineEndpoint>(_ endpoint: Endpoint) async throws -> Endpoint.Answer {
        do {
            return try await answer(to: endpoint, in: try await transmit(endpoint.call, in: nil))
        } catch EngineError.refused(let status, let body) {
            throw EngineError.unreadable("it answered \(status) to \(endpoint.call.path)", body: body)
        }
    }

    private func answer<Endpoint: EngineEndpoint>(to endpoint: Endpoint, in response: IncomingResponse) async throws -> Endpoint.Answer {
        guard endpoint.accepted.contains(response.status) else { throw await refusal(response) }
        let body = try await collect(response.body)
        return try endpoint.answer(EngineReply(status: response.status, headers: response.headers, body: body))
    }

    private func transmit(_ call: EngineCall, in version: APIVersion?) async throws -> IncomingResponse {
        do {
            return try await transport.send(request(call, in: version))
        } catch let error as TransportError {
            throw lost(error)
        }
    }

    private func request(_ call: EngineCall, in version: APIVersion?) -> OutgoingRequest {
        let query = call.query.map { "\($0.0)=\(PercentCoding.encoded($0.1))" }.joined(separator: "&")
        let prefix = version.map { "/v\($0)" } ?? ""
        var request = OutgoingRequest(
            call.method, "http://localhost\(prefix)\(call.path)\(query.isEmpty ? "" : "?\(query)")", headers: call.headers,
            limits: limits(call.patience))
        request.unixSocket = settings.socketPath
        switch call.body {
        case .none: break
        case .json(let value):
            request.headers["Content-Type"] = "application/json"
            request.body = .bytes(value.bytes)
        case .tar(let bytes):
            request.headers["Content-Type"] = "application/x-tar"
            request.body = .bytes(bytes)
        }
        return request
    }

    private func limits(_ patience: EngineCall.Patience) -> ExchangeLimits {
        switch patience {
        case .probing: ExchangeLimits(total: settings.probeDeadline)
        case .ordinary: ExchangeLimits(total: settings.callDeadline)
        case .creating: ExchangeLimits(total: settings.createDeadline)
        case .stopping(let grace): ExchangeLimits(total: settings.createDeadline + grace)
        case .pulling: ExchangeLimits(stall: settings.pullStall)
        case .endless: ExchangeLimits()
        }
    }

    private func collect(_ body: any ByteSource) async throws -> [UInt8] {
        do {
            return try await body.collect(limit: Self.largestAnswer)
        } catch let error as TransportError {
            throw lost(error)
        } catch is BodyTooLarge {
            throw EngineError.unreadable("it is larger than \(Self.largestAnswer >> 20) MiB", body: [])
        } catch is ConnectionLost {
            throw lost(TransportError(.connectionReset))
        }
    }

    /// Why a body broke off, or what an exchange failed with. Forgets the version when another engine may answer next time.
    func lost(_ error: TransportError) -> any Error {
        switch error.reason {
        case .cancelled: return CancellationError()
        case .connectionRefused, .socketMissing, .connectionReset: agreed.withLock { $0 = nil }
        case .cannotResolve, .permissionDenied, .connectTimeout, .headTimeout, .stalled, .totalTimeout, .addressNotAllowed, .tls,
            .invalidURL,
            .other:
            break
        }
        return EngineError.unreachable(error)
    }

    private func refusal(_ response: IncomingResponse) async -> any Error {
        var body: [UInt8] = []
        do {
            while body.count < Self.largestErrorBody, let chunk = try await response.body.next() { body.append(contentsOf: chunk) }
        } catch {
            // The status says enough; its explanation broke off.
        }
        return EngineError.refused(status: response.status, body: body)
    }
}
