import HTTP
import Model

/// An answer of the proxy itself, as opposed to the agent's.
struct ProxyError: CodedError {
    let status: Int
    let code: ErrorCode
    let message: String
    let next: String?
    let details: JSONObject
    /// Stand both in the details and at the top of the body, where existing clients look for them.
    let marks: JSONObject
    /// Seconds.
    let retryAfter: Int?

    init(
        _ status: Int, _ code: ErrorCode, _ message: String, next: String? = nil, details: JSONObject = [:], marks: JSONObject = [:],
        retryAfter: Int? = nil
    ) {
        self.status = status
        self.code = code
        self.message = message
        self.next = next
        self.details = marks.isEmpty ? details : marks
        self.marks = marks
        self.retryAfter = retryAfter
    }

    var response: Response {
        var body = report
        for mark in marks.members { body[mark.key] = mark.value }
        var headers: Headers = ["Content-Type": "application/json; charset=utf-8"]
        if let retryAfter { headers["Retry-After"] = String(retryAfter) }
        return Response(status: status, headers: headers, body: .bytes(JSONValue.object(body).bytes))
    }
}

extension ProxyError {
    static let notFound = ProxyError(404, .workspaceNotFound, "workspace not found")
    static let removed = ProxyError(410, .workspaceRemoved, "workspace removed", marks: ["deleted": true])
    static let denied = ProxyError(403, .accessDenied, "access denied: workspaces cannot communicate per hierarchy rules")
    static let overBudget = ProxyError(
        402, .budgetExceeded, "workspace budget limit exceeded", next: "Raise the workspace's budget_limit, or wait for the next month.")
    static let unreachable = ProxyError(
        502, .agentUnreachable, "failed to reach workspace agent", next: "See `berth workspaces logs` for what the agent says.")
    static let redirected = ProxyError(502, .agentResponseInvalid, "the agent answered with a redirect, which is never followed")

    static func invalidJSON(_ problem: JSONSyntaxError) -> ProxyError {
        ProxyError(
            400, .invalidJSON, "invalid JSON", next: "Send one JSON object: a JSON-RPC 2.0 request.",
            details: ["offset": .int(problem.offset), "reason": .string(problem.reason)])
    }

    static func responseTooLarge(limit: Int) -> ProxyError {
        ProxyError(502, .agentResponseTooLarge, "the agent's response is larger than \(limit) bytes", details: ["limit": .int(limit)])
    }

    /// The answer broke off. `confirmed` tells whether the agent had accepted the message by then.
    static func responseBroken(confirmed: Bool) -> ProxyError {
        ProxyError(
            502, .agentResponseInvalid, "failed to read agent response",
            next: "The agent may have acted on the message: look before you repeat it.", marks: ["delivery_confirmed": .bool(confirmed)])
    }

    static func unsafeURL(_ reason: String) -> ProxyError {
        ProxyError(
            502, .unsafeURL, "workspace URL is not publicly routable",
            next: "Register the agent again with an address this daemon may reach.",
            details: ["reason": .string(reason)])
    }

    static func tooLarge(limit: Int) -> ProxyError {
        ProxyError(413, .payloadTooLarge, "the request body is larger than \(limit) bytes", details: ["limit": .int(limit)])
    }

    /// It sleeps, and is being woken by this very message.
    static func waking(_ status: WorkspaceStatus) -> ProxyError {
        ProxyError(
            503, .workspaceUnavailable, "workspace is \(status.rawValue) and is being woken",
            next: "Send the message again in a few seconds.",
            marks: ["status": .string(status.rawValue), "waking": true, "retry_after": 15], retryAfter: 15)
    }

    /// The workspace exists, and no agent can be dialled now.
    static func unavailable(_ status: WorkspaceStatus, retryAfter: Int?) -> ProxyError {
        ProxyError(
            503, .workspaceUnavailable, "workspace is \(status.rawValue)", marks: ["status": .string(status.rawValue)],
            retryAfter: retryAfter)
    }

    /// The agent did not get on with the message in time. `deliveryUnknown`: it may have acted on it all the same.
    static func busy(nativeSession: Bool, deliveryUnknown: Bool) -> ProxyError {
        var marks: JSONObject = ["busy": true, "retry_after": 30]
        if nativeSession { marks["native_session"] = true }
        if deliveryUnknown { marks["delivery_unknown"] = true }
        let message =
            nativeSession
            ? "workspace agent busy — adapter handles retry (native_session)" : "workspace agent busy — retry after a short backoff"
        return ProxyError(503, .agentBusy, message, marks: marks, retryAfter: 30)
    }
}
