import HTTP
import Model

/// What the platform answered to one call of ours.
enum PlatformAnswer: Sendable, Equatable {
    case accepted(JSONValue)
    /// The token is not valid (any more).
    case unauthorized
    /// The workspace was deleted: there is nothing left to do here.
    case removed
    /// Worth another attempt: no connection, or any other status.
    case failed(String)
}

/// Speaks to the registry. `docs/wire/agent.md` says when it calls.
struct PlatformClient: Sendable {
    let workspaceID: String
    /// Without a trailing slash.
    let platformURL: String
    let token: TokenFile
    let transport: any HTTPTransport

    private static let longestAnswer = 256 * 1024
    private static let limits = ExchangeLimits(connect: .seconds(5), total: .seconds(10))

    func register(url: String, card: JSONValue) async -> PlatformAnswer {
        let answer = await post("/registry/register", ["id": .string(workspaceID), "url": .string(url), "agent_card": card])
        if case .accepted(let body) = answer, let issued = body["auth_token"]?.string, !issued.isEmpty { await token.save(issued) }
        return answer
    }

    /// A refused token is read again, because a provision replaces it, and the same beat is sent once more.
    func beat(_ body: JSONValue) async -> PlatformAnswer {
        let answer = await post("/registry/heartbeat", body)
        return answer == .unauthorized ? await post("/registry/heartbeat", body) : answer
    }

    private func post(_ path: String, _ body: JSONValue) async -> PlatformAnswer {
        var headers: Headers = ["Content-Type": "application/json"]
        if let token = await token.read() { headers["Authorization"] = "Bearer \(token)" }
        let request = OutgoingRequest(.post, platformURL + path, headers: headers, body: .bytes(body.bytes), limits: Self.limits)
        do {
            let response = try await transport.send(request)
            let bytes = try await response.body.collect(limit: Self.longestAnswer)
            switch response.status {
            // An answer that is no JSON still says that the call was taken.
            case 200..<300: return .accepted((try? JSONValue(parsing: bytes)) ?? .null)
            case 401: return .unauthorized
            case 410: return .removed
            default: return .failed("status \(response.status)")
            }
        } catch let error as TransportError {
            return .failed(error.reason.rawValue)
        } catch {
            return .failed("the answer broke off")
        }
    }
}
