public import HTTP

/// HTTP/1.1 over TCP, TLS and unix sockets: every exchange runs on one thread of its own, bodies stream in both directions with
/// backpressure, and idle connections are kept for reuse. Proxies of the environment, redirects, cookies and `Expect` are off.
///
/// A request that may not be repeated (a POST, or anything with a body) is sent at most once: when a kept connection turns out to be
/// dead, it fails with `connectionReset` instead of going out again.
public final class CurlTransport: HTTPTransport {
    private let loop: CurlLoop

    /// Keeps at most `maximumIdleConnections` open between requests.
    public init(maximumIdleConnections: Int = 64) {
        loop = CurlLoop(maximumIdleConnections: maximumIdleConnections)
    }

    /// What is still running may finish: a body can outlive the transport that fetched it.
    deinit { loop.submit(.stopWhenIdle) }

    /// Cuts every exchange with `TransportError.cancelled` and ends the thread. Later requests fail the same way.
    public func close() { loop.submit(.stop) }

    public func send(_ request: OutgoingRequest) async throws -> IncomingResponse {
        let exchange = try Exchange(request, loop: loop)
        exchange.startUpload()
        let head = try await withTaskCancellationHandler {
            loop.submit(.start(exchange))
            return try await exchange.head()
        } onCancel: {
            exchange.cancel()
        }
        return IncomingResponse(status: head.status, headers: head.headers, body: ResponseBody(exchange))
    }
}

/// The body of a response as it arrives. Letting go of it before the end cancels the exchange.
private final class ResponseBody: ByteSource {
    private let exchange: Exchange

    init(_ exchange: Exchange) { self.exchange = exchange }
    deinit { exchange.cancel() }

    func next() async throws -> [UInt8]? { try await exchange.next() }
}
