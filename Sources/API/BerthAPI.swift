public import HTTP
import Model
import Synchronization

/// Both doors of the daemon: finds the route, lets the caller in, calls it, and turns errors into answers.
public struct BerthAPI: Sendable {
    private let services: APIServices
    private let settings: APISettings
    private let doorkeeper: Doorkeeper
    private let metrics: HTTPMetrics
    private let requestIDs: RequestIDs
    private let streams: OpenStreams
    private let routes: [Route]

    public init(services: APIServices, settings: APISettings) {
        self.services = services
        self.settings = settings
        doorkeeper = Doorkeeper(settings: settings, tokens: services.tokens, owners: services.tokenOwners)
        metrics = HTTPMetrics()
        requestIDs = RequestIDs(services.random)
        streams = OpenStreams()
        routes = Self.routes(services, settings, metrics, streams)
    }

    /// Every operation in the order of `docs/openapi.yaml`.
    public var operations: [(method: Method, path: String, doors: Set<Door>, access: Access)] {
        routes.map { ($0.method, $0.path, $0.doors, $0.access) }
    }

    /// What a listener at `door` serves. It never throws; the task is cancelled when the client hangs up.
    public func handler(for door: Door) -> HTTPHandler {
        var router = Router<Route>()
        for route in routes where route.doors.contains(door) { router.add(route.method, route.path, route) }
        let table = router
        return { request in await respond(to: request, at: door, by: table) }
    }

    /// Ends event streams and followed logs, for a stop: their readers resume when the daemon is back. Other requests go on.
    public func endStreams() { streams.end() }

    private func respond(to request: Request, at door: Door, by router: Router<Route>) async -> Response {
        let arrived = services.clock.now()
        let requestID = requestIDs.next()
        let (path, answer) = await answer(request, at: door, by: router, requestID)
        let duration = services.clock.now() - arrived
        metrics.record(request.method, path: path, status: answer.status, duration: duration)
        services.log.debug(
            "request", ("id", requestID), ("door", door.rawValue), ("method", request.method.rawValue), ("route", path),
            ("status", String(answer.status)), ("took_ms", String(duration.milliseconds)))
        return finished(answer, method: request.method, requestID)
    }

    private func answer(_ request: Request, at door: Door, by router: Router<Route>, _ requestID: String) async -> (path: String, Response)
    {
        switch router.match(request.method, request.path) {
        case .found(let route, let parameters, let pattern):
            var request = request
            request.parameters = parameters
            return (pattern, await serve(request, by: route, at: door, requestID))
        case .methodNotAllowed(let methods):
            let failure = Failure(.methodNotAllowed, "method not allowed", next: "This path answers \(Self.allowed(methods)).")
            var refusal = ErrorReply.response(failure)
            refusal.headers["Allow"] = Self.allowed(methods)
            return (HTTPMetrics.unmatched, refusal)
        case .notFound:
            return (
                HTTPMetrics.unmatched, ErrorReply.response(Failure(.notFound, "not found", next: "docs/openapi.yaml lists every path."))
            )
        }
    }

    private func serve(_ request: Request, by route: Route, at door: Door, _ requestID: String) async -> Response {
        do {
            let visitor = try await doorkeeper.admit(request, to: route.access, at: door)
            return try await route.serve(Call(request: request, door: door, visitor: visitor))
        } catch let error as any CodedError {
            return ErrorReply.response(error)
        } catch is ConnectionLost {
            return ErrorReply.response(Failure(.invalidRequest, "the request was cut off"))
        } catch is CancellationError {
            return ErrorReply.response(Failure(.shuttingDown, "the request was cancelled"))
        } catch {
            services.log.error("request failed", ("id", requestID), ("route", route.path), ("error", String(describing: error)))
            return ErrorReply.response(
                Failure(.internalError, "internal server error", next: "Look for request \(requestID) in the daemon's log."))
        }
    }

    private static func allowed(_ methods: [Method]) -> String {
        let all = methods.contains(.get) ? methods + [.head] : methods
        return Set(all).map(\.rawValue).sorted().joined(separator: ", ")
    }

    /// What every answer carries. A HEAD of a stream starts no stream.
    private func finished(_ response: Response, method: Method, _ requestID: String) -> Response {
        var response = response
        for field in Self.standardHeaders where response.headers[field.name] == nil { response.headers.add(field.name, field.value) }
        response.headers["X-Request-ID"] = requestID
        if method == .head, case .stream = response.body { response.body = .bytes([]) }
        return response
    }

    private static let standardHeaders: [Headers.Field] = [
        .init("X-Content-Type-Options", "nosniff"),
        .init("X-Frame-Options", "DENY"),
        .init("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
        .init("Referrer-Policy", "strict-origin-when-cross-origin"),
        .init("Permissions-Policy", "camera=(), microphone=(), geolocation=()"),
        .init("Content-Security-Policy", "default-src 'self'"),
        .init("Cache-Control", "no-store"),
    ]
}

/// Names requests in answers and in the log: a random part per process, then a count.
private final class RequestIDs: Sendable {
    private let prefix: String
    private let count = Atomic<UInt64>(0)

    init(_ random: any RandomSource) {
        prefix = random.bytes(4).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    func next() -> String { "\(prefix)-\(count.wrappingAdd(1, ordering: .relaxed).newValue)" }
}

extension BerthAPI {
    private static func routes(_ services: APIServices, _ settings: APISettings, _ metrics: HTTPMetrics, _ streams: OpenStreams)
        -> [Route]
    {
        HealthRoutes(services, settings).routes
            + MetricsRoutes(services: services, settings: settings, metrics: metrics).routes
            + WorkspaceRoutes(services: services, settings: settings).routes
            + LifecycleRoutes(services: services, settings: settings).routes
            + InspectionRoutes(services: services).routes
            + LogRoutes(services: services, streams: streams).routes
            + EventRoutes(services: services, settings: settings, streams: streams).routes
            + MessageRoutes(proxy: services.proxy).routes
            + TemplateRoutes(templates: services.templates).routes
            + RegistryRoutes(registry: services.registry, settings: settings).routes
            + OrphanRoutes(services: services, settings: settings).routes
            + ImageRoutes(services: services).routes
            + LivenessRoutes(services: services).routes
    }
}
