/// A response as a handler gives it to the server.
public struct Response: Sendable {
    public enum Body: Sendable {
        case bytes([UInt8])
        /// Written as it is produced. `length` becomes Content-Length; nil means chunked. The producer's task is cancelled when the
        /// client hangs up; when it throws, the connection is cut so that the client sees an incomplete body.
        case stream(length: Int?, @Sendable (any ByteSink) async throws -> Void)
    }

    public var status: Int
    public var headers: Headers
    public var body: Body

    public init(status: Int, headers: Headers = Headers(), body: Body = .bytes([])) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

public typealias HTTPHandler = @Sendable (Request) async -> Response

/// A running listener.
public protocol HTTPListening: Sendable {
    /// Where it listens: for TCP the real port, also when 0 was asked for.
    var address: BoundAddress { get }
    /// Stops accepting, lets requests in flight finish for at most `grace`, then closes what is left.
    func stop(grace: Duration) async
}

public enum BoundAddress: Sendable, Hashable, CustomStringConvertible {
    case tcp(host: String, port: Int)
    case unix(path: String)

    public var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): path
        }
    }
}

/// What a listener refuses and when it gives up. Sizes in bytes.
public struct ListenerLimits: Sendable, Hashable {
    /// Request line and headers together: 431 above it.
    public var headerBytes = 16 * 1024
    /// Any request body: 413 above it.
    public var bodyBytes = 1024 * 1024
    /// From the first byte of a request to its last.
    public var requestDeadline: Duration = .seconds(30)
    /// Between requests of one connection; also how long a client may leave a response unread (rounded up to seconds).
    public var keepAlive: Duration = .seconds(75)
    public var connections = 4096
    /// Of one peer address; 0 sets no limit of its own. Connections above it are closed at once.
    public var connectionsPerAddress = 0
    /// A chunked body over the limit is read and dropped this far, so that the 413 arrives; then the connection is closed.
    public var drainBytes = 1024 * 1024

    public init() {}
}

/// Why a listener could not start.
public struct ListenError: Error, Sendable, Equatable {
    public enum Reason: Sendable, Equatable { case addressInUse, permissionDenied, addressNotAvailable, other }

    public let reason: Reason
    public let address: BoundAddress
    public let detail: String

    public init(reason: Reason, address: BoundAddress, detail: String) {
        self.reason = reason
        self.address = address
        self.detail = detail
    }
}
