import CMicroHTTPD
import HTTP
import Synchronization

/// One request and its response. libmicrohttpd calls in from the connection's own thread; the handler runs as a task and answers from
/// anywhere; the watch says when the client left. All three meet under one lock, and the connection is suspended and resumed only under it.
///
/// The library takes a response only in the first callback (it then closes the connection) or after the whole body: an answer that comes
/// before the body is complete waits until the rest, up to a limit, has been read and dropped.
final class Exchange: Sendable {
    private enum Stage { case announced, receiving, complete, answered }

    /// A declared body up to this size is read before the handler starts: the answer must wait for it anyway, and reading never suspends.
    private static let readFirst = 64 * 1024

    private struct State {
        var stage = Stage.announced
        /// Until the handler is started with it.
        var head: RequestHead?
        var body: RequestBody?
        var received = 0
        var dropped = 0
        var task: Task<Void, Never>?
        var response: Response?
        var sink: ResponseSink?
        var held = false
        var gone = false
        var watchID: UInt64?
    }

    private let service: ExchangeService
    private let client: ClientConnection
    private let connection: ConnectionHandle
    private let target: RequestTarget
    private let state = Mutex(State())

    init(service: ExchangeService, client: ClientConnection, connection: ConnectionHandle, target: RequestTarget) {
        self.service = service
        self.client = client
        self.connection = connection
        self.target = target
        client.armDeadline(after: service.limits.requestDeadline)
        client.begin(self)
        if service.watch.isCut { clientLeft() }
    }

    // MARK: The event loop's side

    /// The access callback: once for the head, then for each piece of the body, then with nothing left until a response is queued.
    func advance(
        method: UnsafePointer<CChar>, version: UnsafePointer<CChar>, upload: UnsafePointer<CChar>?, size: inout Int
    ) -> MHD_Result {
        switch state.withLock({ $0.gone ? nil : $0.stage }) {
        case nil: return .NO
        case .announced: return begin(method: method, version: version)
        case .receiving where size > 0: return receive(upload, &size)
        case .receiving: return finishBody()
        case .complete: return respondOrWait()
        case .answered: return .YES
        }
    }

    private func begin(method: UnsafePointer<CChar>, version: UnsafePointer<CChar>) -> MHD_Result {
        let reader = RequestHeadReader(
            connection: connection.pointer, target: target, method: method, version: version, limits: service.limits)
        do {
            let head = try reader.read()
            let body = head.body == .none ? nil : RequestBody(connection: connection, client: client)
            let startsNow = head.body == .chunked || head.declaredLength > Self.readFirst
            state.withLock { state in
                state.head = startsNow ? nil : head
                state.body = body
                state.stage = .receiving
            }
            if startsNow { start(head, body: body) }
            return .YES
        } catch {
            client.disarmDeadline()
            return queue(error.response, sink: nil)
        }
    }

    private func receive(_ upload: UnsafePointer<CChar>?, _ size: inout Int) -> MHD_Result {
        let bytes = UnsafeRawBufferPointer(start: upload, count: size)
        let limit = service.limits.bodyBytes
        let (body, exceeding) = state.withLock { state in
            guard state.received + bytes.count > limit else { return (state.body, nil as Task<Void, Never>?) }
            if state.response == nil { state.response = Refusal.bodyTooLarge(limit: limit).response }
            return (state.body, state.task)
        }
        if let exceeding {
            body?.fail(BodyTooLarge(limit: limit))
            exceeding.cancel()
        }
        switch body?.offer(bytes) ?? .notWanted {
        case .accepted:
            state.withLock { $0.received += bytes.count }
        case .held:
            watchClient()
            return .YES
        case .notWanted:
            let dropped = state.withLock { state in
                state.dropped += bytes.count
                return state.dropped
            }
            guard dropped <= service.limits.drainBytes else { return .NO }
        }
        size = 0
        return .YES
    }

    private func finishBody() -> MHD_Result {
        client.disarmDeadline()
        let (head, body) = state.withLock { state in
            state.stage = .complete
            return (state.head.take(), state.body)
        }
        body?.end()
        if let head { start(head, body: body) }
        return respondOrWait()
    }

    private func respondOrWait() -> MHD_Result {
        let (response, sink, gone) = state.withLock { state in
            if state.response == nil, !state.gone {
                state.held = true
                connection.suspend()
            }
            if state.response != nil { state.stage = .answered }
            return (state.response, state.sink, state.gone)
        }
        if gone { return .NO }
        if let response { return queue(response, sink: sink) }
        watchClient()
        return .YES
    }

    private func queue(_ response: Response, sink: ResponseSink?) -> MHD_Result {
        if sink != nil { watchClient() }
        return send(response, sink: sink, on: connection, closing: service.watch.isDraining)
    }

    /// After the last callback: a suspended connection is in no event loop, so somebody else must notice that its client left.
    private func watchClient() {
        let unwatched = state.withLock { $0.watchID == nil && !$0.gone }
        guard unwatched else { return }
        let id = service.watch.watch(self, socket: client.socket)
        state.withLock { $0.watchID = id }
    }

    /// The completed callback: from here on the connection belongs to the library.
    func completed(wasAnswered: Bool) {
        let (task, body, sink, watchID) = state.withLock { state in
            state.gone = true
            defer { state.task = nil }
            return (state.task, state.body, state.sink, state.watchID)
        }
        if let watchID { service.watch.forget(watchID, socket: client.socket) }
        body?.detach()
        sink?.detach()
        if !wasAnswered { task?.cancel() }
        client.endExchange()
        client.armDeadline(after: service.limits.keepAlive)
    }

    // MARK: The handler's side

    private func start(_ head: RequestHead, body: RequestBody?) {
        let request = Request(
            method: head.method, path: head.path, query: head.query, headers: head.headers, body: body ?? BufferedSource([]),
            remoteAddress: client.remoteAddress)
        let task = Task.immediate { [self] in
            let response = await service.handler(request)
            await answer(response, isHead: head.method == .head)
        }
        let gone = state.withLock { state in
            if !state.gone { state.task = task }
            return state.gone
        }
        if gone { task.cancel() }
    }

    private func answer(_ response: Response, isHead: Bool) async {
        var producer: (@Sendable (any ByteSink) async throws -> Void)?
        if case .stream(_, let produce) = response.body { producer = produce }
        let sink = producer.map { _ in ResponseSink(connection: connection) }
        let (accepted, body) = state.withLock { state in
            guard !state.gone, state.response == nil else { return (false, state.body) }
            state.response = response
            state.sink = sink
            release(&state)
            return (true, state.body)
        }
        body?.abandon()
        guard accepted, let producer, let sink else { return }
        if isHead { return sink.finish() }
        do {
            try await producer(sink)
            sink.finish()
        } catch {
            sink.fail()
        }
    }

    // MARK: The watch's side

    /// The client hung up, or the server cuts it off: the handler is cancelled, and the connection goes back to its loop to be closed.
    func clientLeft() {
        let parts = state.withLock { state -> (Task<Void, Never>?, RequestBody?, ResponseSink?)? in
            guard !state.gone else { return nil }
            state.gone = true
            release(&state)
            state.body?.fail(ConnectionLost())
            state.sink?.cut()
            return (state.task, state.body, state.sink)
        }
        parts?.0?.cancel()
    }

    private func release(_ state: inout State) {
        guard state.held else { return }
        state.held = false
        connection.resume()
    }
}

/// What every exchange of one server shares.
final class ExchangeService: Sendable {
    let handler: HTTPHandler
    let limits: ListenerLimits
    let watch: ConnectionWatch

    init(handler: @escaping HTTPHandler, limits: ListenerLimits, watch: ConnectionWatch) {
        self.handler = handler
        self.limits = limits
        self.watch = watch
    }
}
