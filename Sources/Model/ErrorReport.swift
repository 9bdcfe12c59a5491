extension CodedError {
    /// The error as clients see it: `{"error", "code", "next", "details"}`, the last only when there is something in it.
    public var report: JSONObject {
        var body: JSONObject = ["error": .string(message), "code": .string(code.rawValue)]
        if let next = next ?? code.usualNextStep { body["next"] = .string(next) }
        if !details.isEmpty { body["details"] = .object(details) }
        return body
    }
}

extension ErrorCode {
    /// What to do about the code where the error itself knows nothing better; nil where that depends on the case.
    public var usualNextStep: String? {
        switch self {
        case .invalidWorkspaceID: "Use the workspace's UUID, as GET /workspaces lists it."
        case .workspaceNotFound: "Look for it in GET /workspaces; it may have been deleted."
        case .workspaceRemoved: "It will not come back: stop calling, or create a new workspace."
        case .notFound: "See docs/openapi.yaml for the routes there are."
        case .methodNotAllowed: "Use one of the methods in the Allow header."
        case .payloadTooLarge: "Send less at once."
        case .invalidRequest, .invalidField: "Correct the request; docs/openapi.yaml shows its shape."
        case .invalidJSON: "Send one JSON object."
        case .adminAuthRequired, .adminAuthInvalid:
            "Send Authorization: Bearer with the admin token (STATE_DIR/admin-token on the daemon's host)."
        case .workspaceAuthRequired, .workspaceAuthInvalid: "Send Authorization: Bearer with this workspace's current token."
        case .accessDenied: "Ask a workspace above or beside yours, or let an admin send it."
        case .agentUnreachable: "See what the agent says with `berth workspaces logs`."
        case .agentResponseTooLarge, .agentResponseInvalid: "Correct the agent; the proxy does not change what it answers."
        case .internalError: "Look for the request id in the daemon's log."
        // Everything else carries its own next step, or (`platformUnavailable`) a body that clients compare whole.
        default: nil
        }
    }
}
