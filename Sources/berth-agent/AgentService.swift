import HTTP
import Model

/// The agent's HTTP surface: its card, and JSON-RPC at `/`.
struct AgentService: Sendable {
    static let longestBody = 2 * 1024 * 1024

    let card: AgentCard
    let messages: MessageService
    let clock: any TimeSource
    let random: any RandomSource
    /// Where other containers reach this agent.
    let ownURL: String

    func handle(_ request: Request) async -> Response {
        switch (request.method, request.path) {
        case (.get, "/.well-known/agent-card.json"), (.get, "/.well-known/agent.json"), (.head, "/.well-known/agent-card.json"),
            (.head, "/.well-known/agent.json"):
            Self.json(200, card.json(url: address(seenBy: request)))
        case (.post, "/"): await call(request)
        case (_, "/"), (_, "/.well-known/agent-card.json"), (_, "/.well-known/agent.json"):
            Self.json(405, ["error": "this method is not allowed here", "code": .string(ErrorCode.methodNotAllowed.rawValue)])
        default: Self.json(404, ["error": "there is nothing here", "code": .string(ErrorCode.notFound.rawValue)])
        }
    }

    /// Whoever fetched the card from `host` reaches the agent there too; our own name means nothing outside of the network.
    private func address(seenBy request: Request) -> String {
        guard let host = request.headers["Host"], !host.isEmpty,
            host.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || ".-_:[]".contains($0)) })
        else { return ownURL }
        return "http://\(host)/"
    }

    private func call(_ request: Request) async -> Response {
        let version = A2AVersion(requested: request.headers["A2A-Version"] ?? request.query["A2A-Version"])
        let call: A2ARequest
        do {
            call = try A2ARequest(parsing: try await request.body.collect(limit: Self.longestBody))
        } catch let malformed as A2ARequest.Malformed {
            return Self.json(200, malformed.error.response(id: malformed.id, version: version ?? .v10))
        } catch {
            return Self.json(413, ["error": "the body is too large", "code": .string(ErrorCode.payloadTooLarge.rawValue)])
        }
        guard let version else {
            let error = A2AError(.versionNotSupported, "this agent speaks A2A 0.3 and 1.0")
            return Self.json(200, error.response(id: call.id, version: .v10))
        }
        do throws(A2AError) {
            return try await carryOut(call, version)
        } catch {
            return Self.json(200, error.response(id: call.id, version: version))
        }
    }

    private func carryOut(_ call: A2ARequest, _ version: A2AVersion) async throws(A2AError) -> Response {
        let operation = try A2AOperation(method: call.method, version: version)
        let message = try IncomingMessage(params: call.params, version: version)
        let exchange = A2AExchange(version: version, requestID: call.id, contextID: message.contextID, clock: clock, random: random)
        switch operation {
        case .send: return Self.json(200, await messages.send(message, exchange))
        case .stream:
            return Response(
                status: 200, headers: ["Content-Type": "text/event-stream", "Cache-Control": "no-store"],
                body: .stream(length: nil) { [messages] sink in try await messages.stream(message, exchange, to: sink) })
        }
    }

    private static func json(_ status: Int, _ value: JSONValue) -> Response {
        Response(status: status, headers: ["Content-Type": "application/json"], body: .bytes(value.bytes))
    }
}
