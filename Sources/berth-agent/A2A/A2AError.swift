import Model

/// An error of the protocol, as the caller sees it.
struct A2AError: Error, Sendable, Equatable {
    enum Code: Int, Sendable {
        case parseError = -32700
        case invalidRequest = -32600
        case methodNotFound = -32601
        case invalidParams = -32602
        case internalError = -32603
        case taskNotFound = -32001
        case unsupportedOperation = -32004
        case contentTypeNotSupported = -32005
        case versionNotSupported = -32009

        /// The name 1.0 gives the errors that are A2A's own; JSON-RPC's have none.
        var reason: String? {
            switch self {
            case .parseError, .invalidRequest, .methodNotFound, .invalidParams, .internalError: nil
            case .taskNotFound: "TASK_NOT_FOUND"
            case .unsupportedOperation: "UNSUPPORTED_OPERATION"
            case .contentTypeNotSupported: "CONTENT_TYPE_NOT_SUPPORTED"
            case .versionNotSupported: "VERSION_NOT_SUPPORTED"
            }
        }
    }

    let code: Code
    let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// A whole JSON-RPC response. 0.3 has no fixed form for `data`; 1.0 has typed objects.
    func response(id: JSONValue, version: A2AVersion) -> JSONValue {
        var error: JSONObject = ["code": .int(code.rawValue), "message": .string(message)]
        if version == .v10, let reason = code.reason {
            error["data"] = [
                [
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": .string(reason), "domain": "a2a-protocol.org",
                    "metadata": [:],
                ]
            ]
        }
        return ["jsonrpc": "2.0", "id": id, "error": .object(error)]
    }
}
