public import HTTP
public import Model

/// Who a message comes from. Only routes decide this: a header never makes a caller a person.
public enum Caller: Sendable, Hashable {
    case person
    case workspace(WorkspaceID)
}

/// Hands messages to agents: `POST /workspaces/:id/a2a`. The rules are in `docs/wire/a2a.md`.
public final class AgentProxy: Sendable {
    let workspaces: any WorkspaceReading
    let containers: any ContainerReading
    let urlGuard: AgentURLGuard
    let transport: any HTTPTransport
    let events: any EventSubscribing
    let publish: any EventPublishing
    let waking: any WorkspaceWaking
    let clock: any TimeSource
    let random: any RandomSource
    let log: any LogSink
    let settings: ProxySettings

    public init(
        workspaces: any WorkspaceReading, containers: any ContainerReading, urlGuard: AgentURLGuard, transport: any HTTPTransport,
        events: any EventSubscribing, publish: any EventPublishing, waking: any WorkspaceWaking, clock: any TimeSource,
        random: any RandomSource, log: any LogSink,
        settings: ProxySettings = ProxySettings()
    ) {
        self.workspaces = workspaces
        self.containers = containers
        self.urlGuard = urlGuard
        self.transport = transport
        self.events = events
        self.publish = publish
        self.waking = waking
        self.clock = clock
        self.random = random
        self.log = log
        self.settings = settings
    }

    /// Sends the request's body to the agent of `id` and gives back its status, content type and body as they are; an event stream is
    /// passed on as it comes. The caller has been authenticated. Never throws: an error is a response too.
    ///
    /// A call that is answered once goes on when its caller hangs up; a stream is cut.
    public func dispatch(to id: WorkspaceID, from caller: Caller, request: Request) async -> Response {
        // Before the row is read: what is at work is not put to sleep.
        waking.workBegan(on: id)
        defer { waking.workEnded(on: id) }
        do {
            let body = try await self.body(of: request)
            let target = try await admit(caller, to: id)
            let message = try A2AMessage(normalising: body, random: random)
            let dispatch = Dispatch(
                target: target, caller: caller, message: message, headers: forwarded(request.headers),
                watch: watch(over: target, for: caller, request: request))
            return message.isStreaming ? await converse(dispatch) : await outlivingCaller(of: id) { await self.converse(dispatch) }
        } catch {
            return response(to: error, workspace: id)
        }
    }

    private func body(of request: Request) async throws -> [UInt8] {
        let tooLarge = ProxyError.tooLarge(limit: settings.requestBytes)
        if let announced = request.headers["Content-Length"].flatMap({ Int($0) }), announced > settings.requestBytes { throw tooLarge }
        do {
            return try await request.body.collect(limit: settings.requestBytes)
        } catch is BodyTooLarge {
            throw tooLarge
        }
    }

    /// The target's row, when the caller may talk to it and it can be talked to. A caller that may not learns nothing else: who may comes
    /// before budget, budget before status.
    private func admit(_ caller: Caller, to id: WorkspaceID) async throws -> Workspace {
        let target = try await workspaces.workspace(id)
        if case .workspace(let callerID) = caller {
            guard let target, try await mayTalk(callerID, to: target) else { throw ProxyError.denied }
        }
        guard let target else { throw ProxyError.notFound }
        guard target.status != .removed else { throw ProxyError.removed }
        if let limit = target.budgetLimit, target.monthlySpend >= limit { throw ProxyError.overBudget }
        switch target.status {
        case .online, .degraded, .offline: return target
        case .provisioning: throw ProxyError.unavailable(target.status, retryAfter: 5)
        case .hibernated, .hibernating:
            await waking.wake(id)
            throw ProxyError.waking(target.status)
        case .failed, .removed, .paused, .awaitingAgent:
            throw ProxyError.unavailable(target.status, retryAfter: nil)
        }
    }

    private func mayTalk(_ callerID: WorkspaceID, to target: Workspace) async throws -> Bool {
        guard callerID != target.id else { return true }
        guard let caller = try await workspaces.workspace(callerID), caller.status != .removed else { return false }
        if let decided = CommunicationRules.decide(caller, target) { return decided }
        return CommunicationRules.areRelated(caller.id, target.id, among: try await workspaces.liveWorkspaces() + [target])
    }

    /// What goes on to the agent. Credentials never do.
    private func forwarded(_ headers: Headers) -> Headers {
        var forwarded = Headers()
        for name in ["A2A-Version", "A2A-Extensions", "Accept", "Last-Event-ID"] {
            for value in headers.all(name) { forwarded.add(name, value) }
        }
        forwarded["Content-Type"] = headers["Content-Type"] ?? "application/json"
        return forwarded
    }

    private func watch(over target: Workspace, for caller: Caller, request: Request) -> DispatchWatch {
        let window = target.overrides.idleTimeoutSeconds.map { Duration.seconds($0) } ?? settings.idleTimeout
        let asked = request.headers["X-Timeout"].flatMap { Int32($0) }.flatMap { $0 > 0 ? Duration.seconds($0) : nil }
        let ceiling: Duration?
        switch caller {
        case .person: ceiling = asked
        case .workspace: ceiling = min(asked ?? settings.agentCeiling, settings.agentCeiling)
        }
        let events = self.events
        return DispatchWatch(window: window, ceiling: ceiling, clock: clock) { events.subscribe(to: target.id) }
    }

    /// The caller went away: nobody reads this.
    static let toNobody = Response(status: 499)

    /// Waits for `work`, which goes on by itself when the caller hangs up meanwhile.
    private func outlivingCaller(of id: WorkspaceID, _ work: @escaping @Sendable () async -> Response) async -> Response {
        let (answers, answer) = AsyncStream.makeStream(of: Response.self)
        waking.workBegan(on: id)
        Task {
            answer.yield(await work())
            waking.workEnded(on: id)
            answer.finish()
        }
        for await response in answers { return response }
        return Self.toNobody
    }

    func response(to error: any Error, workspace: WorkspaceID) -> Response {
        switch error {
        case let error as ProxyError: return error.response
        case let error as JSONSyntaxError: return ProxyError.invalidJSON(error).response
        case is CancellationError, is ConnectionLost: return Self.toNobody
        case let error as any CodedError:
            return ProxyError(503, error.code, error.message, next: error.next, details: error.details).response
        default:
            log.error("dispatch failed", ("workspace", workspace.text), ("error", "\(type(of: error))"))
            return ProxyError(500, .internalError, "internal error").response
        }
    }
}
