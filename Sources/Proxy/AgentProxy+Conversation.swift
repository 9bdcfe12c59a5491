import HTTP
import Model

/// One message on its way to one agent.
struct Dispatch: Sendable {
    let target: Workspace
    let caller: Caller
    let message: A2AMessage
    let headers: Headers
    let watch: DispatchWatch
}

extension AgentProxy {
    /// From the admitted message to the answer.
    func converse(_ dispatch: Dispatch) async -> Response {
        let started = clock.now()
        do {
            let response = try await dispatch.watch.guarding { try await self.exchange(dispatch) }
            noteAnswer(to: dispatch, status: response.status, took: clock.now() - started)
            return response
        } catch {
            return failed(dispatch, error)
        }
    }

    private func exchange(_ dispatch: Dispatch) async throws -> Response {
        let answer = try await send(dispatch)
        guard !(300..<400).contains(answer.status) else { throw ProxyError.redirected }
        var headers = Headers()
        for name in ["Content-Type", "Content-Encoding", "Retry-After", "A2A-Version", "A2A-Extensions"] {
            for value in answer.headers.all(name) { headers.add(name, value) }
        }
        if Self.isEventStream(answer.headers) { return stream(answer, headers: headers, dispatch) }
        return Response(status: answer.status, headers: headers, body: .bytes(try await collect(answer, dispatch.watch)))
    }

    /// Sends the message; when the engine has moved the agent's port meanwhile, once more to where it is now.
    private func send(_ dispatch: Dispatch) async throws -> IncomingResponse {
        let destination = try await destination(of: dispatch.target)
        do {
            return try await transport.send(outgoing(dispatch, to: destination))
        } catch let error as TransportError where error.reason == .connectionRefused {
            guard let moved = await movedDestination(of: dispatch.target, from: destination) else { throw error }
            log.info("the agent's port has moved", ("workspace", dispatch.target.id.text), ("url", moved.url))
            return try await transport.send(outgoing(dispatch, to: moved))
        }
    }

    private func outgoing(_ dispatch: Dispatch, to destination: VettedURL) -> OutgoingRequest {
        var request = OutgoingRequest(.post, destination.url, headers: dispatch.headers, body: .bytes(dispatch.message.bytes))
        request.pinnedAddress = destination.pinnedAddress
        return request
    }

    private func collect(_ answer: IncomingResponse, _ watch: DispatchWatch) async throws -> [UInt8] {
        var collected: [UInt8] = []
        do {
            while let chunk = try await answer.body.next() {
                watch.touch()
                guard collected.count + chunk.count <= settings.responseBytes else {
                    throw ProxyError.responseTooLarge(limit: settings.responseBytes)
                }
                collected.append(contentsOf: chunk)
            }
        } catch is TransportError {
            throw ProxyError.responseBroken(confirmed: (200..<400).contains(answer.status))
        }
        return collected
    }

    private func stream(_ answer: IncomingResponse, headers: Headers, _ dispatch: Dispatch) -> Response {
        var headers = headers
        headers["Cache-Control"] = "no-cache"
        dispatch.watch.touch()
        let keepAlive = answer.headers["Content-Encoding"] == nil ? settings.keepAlive : nil
        let relay = StreamRelay(source: answer.body, watch: dispatch.watch, clock: clock, keepAlive: keepAlive)
        let (waking, id) = (waking, dispatch.target.id)
        return Response(
            status: answer.status, headers: headers,
            body: .stream(length: nil) { sink in
                waking.workBegan(on: id)
                defer { waking.workEnded(on: id) }
                try await relay.run(into: sink)
            })
    }

    private static func isEventStream(_ headers: Headers) -> Bool {
        let type = headers["Content-Type"]?.prefix { $0 != ";" && $0 != " " }
        return type?.lowercased() == "text/event-stream"
    }

    private func failed(_ dispatch: Dispatch, _ error: any Error) -> Response {
        let id = dispatch.target.id
        switch error {
        case is DispatchWatch.Expired:
            log.info("dispatch cut: the agent was silent too long, or the dispatch too old", ("workspace", id.text))
            return busy(dispatch, deliveryUnknown: true)
        case let error as TransportError:
            log.info("dispatch failed", ("workspace", id.text), ("reason", error.reason.rawValue))
            return response(to: error, of: dispatch)
        case let error as Failure where error.code == .unsafeURL:
            log.warning("dispatch refused: unsafe address", ("workspace", id.text), ("reason", error.message))
            return ProxyError.unsafeURL(error.message).response
        default:
            return response(to: error, workspace: id)
        }
    }

    private func response(to error: TransportError, of dispatch: Dispatch) -> Response {
        switch error.reason {
        case .connectionReset, .headTimeout, .stalled, .totalTimeout: busy(dispatch, deliveryUnknown: true)
        case .cannotResolve, .connectionRefused, .socketMissing, .permissionDenied, .connectTimeout, .tls, .invalidURL, .other:
            ProxyError.unreachable.response
        case .addressNotAllowed: ProxyError.unsafeURL("the connection would have gone to another address").response
        case .cancelled: Self.toNobody
        }
    }

    /// What becomes of a message whose agent is busy: it goes back to the caller. This is the one place where a message that may wait
    /// is kept instead.
    private func busy(_ dispatch: Dispatch, deliveryUnknown: Bool) -> Response {
        ProxyError.busy(nativeSession: dispatch.target.overrides.has(.session), deliveryUnknown: deliveryUnknown).response
    }

    /// An answer is a sign of work, also to other dispatches that wait for this agent. A failure of ours is not.
    private func noteAnswer(to dispatch: Dispatch, status: Int, took: Duration) {
        var source = JSONValue.null
        if case .workspace(let id) = dispatch.caller { source = .string(id.text) }
        let payload: JSONObject = [
            "activity_type": "a2a_receive", "method": .string(dispatch.message.method),
            "summary": .string("\(dispatch.message.method) → \(dispatch.target.name)"), "status": status < 400 ? "ok" : "error",
            "source_id": source, "target_id": .string(dispatch.target.id.text), "duration_ms": .int(took.milliseconds),
        ]
        publish.publish([
            WorkspaceEvent(workspaceID: dispatch.target.id, sequence: nil, kind: .activityLogged, at: clock.now(), payload: payload)
        ])
    }
}
