/// A request a client sends.
public struct OutgoingRequest: Sendable {
    public enum Body: Sendable {
        case none
        case bytes([UInt8])
        /// Sent as it is produced; `length` becomes Content-Length, nil means chunked.
        case stream(length: Int?, any ByteSource)
    }

    public var method: Method
    /// Absolute `http` or `https` URL.
    public var url: String
    public var headers: Headers
    public var body: Body
    public var limits: ExchangeLimits
    /// Connect to this unix socket instead of the URL's host.
    public var unixSocket: String?
    /// Connect to this address instead of resolving the URL's host. The connection is refused when the socket would go anywhere else.
    public var pinnedAddress: String?

    public init(
        _ method: Method, _ url: String, headers: Headers = Headers(), body: Body = .none, limits: ExchangeLimits = ExchangeLimits()
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.limits = limits
    }
}

/// Deadlines of one exchange; nil means none. A stream has no total.
public struct ExchangeLimits: Sendable, Hashable {
    public var connect: Duration
    /// From the start to the response head.
    public var head: Duration?
    /// Silence in either direction while neither side is held back by us.
    public var stall: Duration?
    public var total: Duration?

    public init(connect: Duration = .seconds(5), head: Duration? = nil, stall: Duration? = nil, total: Duration? = nil) {
        self.connect = connect
        self.head = head
        self.stall = stall
        self.total = total
    }
}

/// A response head with its body still arriving. Dropping the body cancels the exchange.
public struct IncomingResponse: Sendable {
    public let status: Int
    public let headers: Headers
    public let body: any ByteSource

    public init(status: Int, headers: Headers, body: any ByteSource) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// Why an exchange failed. Also thrown by the body when it breaks off.
public struct TransportError: Error, Sendable, Equatable {
    public enum Reason: String, Sendable, Equatable {
        case cannotResolve, connectionRefused, socketMissing, permissionDenied, connectTimeout, headTimeout, stalled, totalTimeout
        case connectionReset, addressNotAllowed, tls, invalidURL, cancelled, other
    }

    public let reason: Reason
    public let detail: String

    public init(_ reason: Reason, _ detail: String = "") {
        self.reason = reason
        self.detail = detail
    }
}

/// Sends requests. Redirects are never followed. Cancelling the task cancels the exchange.
public protocol HTTPTransport: Sendable {
    /// Returns when the head has arrived. Throws `TransportError` or `CancellationError`.
    func send(_ request: OutgoingRequest) async throws -> IncomingResponse
}
