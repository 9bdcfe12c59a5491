import HTTP
import HTTPClient
import Model

/// The few questions `berth` asks the Docker Engine itself. Everything else is the daemon's business.
struct EngineProbe: Sendable {
    static let echoImage = "berth/workspace-echo:latest"
    static let defaultHost = "unix:///var/run/docker.sock"

    let socket: String
    let transport: CurlTransport

    /// `host` is a `unix://` URL or a path. Throws `usage` for any other kind.
    init(host: String, transport: CurlTransport) throws {
        guard host.hasPrefix("unix://") || host.hasPrefix("/") else {
            throw CommandError(
                .usage, code: ErrorCode.configurationInvalid.rawValue, "DOCKER_HOST=\(host): only unix:// sockets are supported",
                next: "Unset DOCKER_HOST, or set it to unix:///var/run/docker.sock.")
        }
        socket = host.hasPrefix("unix://") ? String(host.dropFirst(7)) : host
        self.transport = transport
    }

    /// The engine's version, for example `28.1.1 (API 1.49)`.
    func version() async throws -> String {
        _ = try await get("/_ping")
        let facts = try JSONValue(parsing: try await get("/version").body)
        return "\(facts["Version"]?.string ?? "?") (API \(facts["ApiVersion"]?.string ?? "?"))"
    }

    func hasImage(_ name: String) async throws -> Bool {
        try await get("/images/\(PercentCoding.encoded(name, keeping: "/:"))/json").status == 200
    }

    private func get(_ path: String) async throws -> (status: Int, body: [UInt8]) {
        let limits = ExchangeLimits(connect: .seconds(2), head: .seconds(10), total: .seconds(15))
        var request = OutgoingRequest(.get, "http://localhost\(path)", limits: limits)
        request.unixSocket = socket
        do {
            let response = try await transport.send(request)
            return (response.status, try await response.body.collect(limit: 4 << 20))
        } catch let error as TransportError {
            throw explain(error)
        }
    }

    private func explain(_ error: TransportError) -> CommandError {
        switch error.reason {
        case .socketMissing, .connectionRefused:
            CommandError(
                .failed, code: ErrorCode.engineUnavailable.rawValue, "no Docker Engine answers at \(socket)",
                next: "Start Docker, or run 'berth up' as root, which starts one.")
        case .permissionDenied:
            CommandError(
                .failed, code: ErrorCode.enginePermissionDenied.rawValue, "this user may not use \(socket)",
                next: "Add the user to the group of the socket (usually 'docker'), or run as root.")
        case .cannotResolve, .connectTimeout, .headTimeout, .stalled, .totalTimeout, .connectionReset, .addressNotAllowed, .tls,
            .invalidURL,
            .cancelled, .other:
            CommandError(
                .failed, code: ErrorCode.engineUnavailable.rawValue, "\(socket) did not answer as a Docker Engine does",
                next: "See what listens there; 'docker version' should work.")
        }
    }
}
