import Model

/// A JSON-RPC request that names a method. What is wrong before that is told with the id that could be read.
struct A2ARequest: Sendable {
    let id: JSONValue
    let method: String
    let params: JSONValue

    struct Malformed: Error {
        let id: JSONValue
        let error: A2AError
    }

    init(parsing bytes: [UInt8]) throws(Malformed) {
        let body: JSONValue
        do throws(JSONSyntaxError) {
            body = try JSONValue(parsing: bytes)
        } catch {
            throw Malformed(id: .null, error: A2AError(.parseError, "the body is not JSON: \(error.reason)"))
        }
        guard let object = body.object else { throw Malformed(id: .null, error: A2AError(.invalidRequest, "a request is a JSON object")) }
        let id = object["id"] ?? .null
        guard id.isNull || id.string != nil || id.number != nil else {
            throw Malformed(id: .null, error: A2AError(.invalidRequest, "id must be text or a number"))
        }
        guard object["jsonrpc"]?.string == "2.0" else {
            throw Malformed(id: id, error: A2AError(.invalidRequest, "jsonrpc must be \"2.0\""))
        }
        guard let method = object["method"]?.string else {
            throw Malformed(id: id, error: A2AError(.invalidRequest, "method must be text"))
        }
        self.id = id
        self.method = method
        params = object["params"] ?? .null
    }
}

/// The message of a send or stream request.
struct IncomingMessage: Sendable, Equatable {
    /// All text parts, joined by line ends.
    let text: String
    /// The conversation; a new one when the sender named none.
    let contextID: String?

    init(params: JSONValue, version: A2AVersion) throws(A2AError) {
        guard let message = params["message"], message.object != nil else {
            throw A2AError(.invalidParams, "params.message must be an object")
        }
        guard let messageID = message["messageId"]?.string, !messageID.isEmpty else {
            throw A2AError(.invalidParams, "params.message.messageId must be text")
        }
        guard let parts = message["parts"]?.array, !parts.isEmpty else {
            throw A2AError(.invalidParams, "params.message.parts must be a list with a part")
        }
        if let role = message["role"] {
            let roles = version == .v03 ? ["user", "agent"] : ["ROLE_USER", "ROLE_AGENT"]
            guard let role = role.string, roles.contains(role) else {
                throw A2AError(.invalidParams, "params.message.role must be \(roles.joined(separator: " or "))")
            }
        }
        // No task of ours outlives its answer, so a message cannot belong to one.
        if let task = message["taskId"], !task.isNull, task.string != "" {
            throw A2AError(.taskNotFound, "this agent keeps no task to continue")
        }
        let texts = try Self.texts(of: parts)
        guard !texts.isEmpty else { throw A2AError(.contentTypeNotSupported, "this agent reads text parts only") }
        text = texts.joined(separator: "\n")
        contextID = message["contextId"]?.string.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// 0.3 writes `kind`, 1.0 nothing, and older senders of this platform `type`: whoever writes text is understood.
    private static func texts(of parts: [JSONValue]) throws(A2AError) -> [String] {
        var texts: [String] = []
        for part in parts {
            guard part.object != nil else { throw A2AError(.invalidParams, "each part must be an object") }
            let kind = part["kind"]?.string ?? part["type"]?.string ?? "text"
            guard kind == "text", let text = part["text"] else { continue }
            guard let text = text.string else { throw A2AError(.invalidParams, "the text of a part must be text") }
            texts.append(text)
        }
        return texts
    }
}
