import API
import HTTP
import Model
import Testing

@Suite("Shape of requests and answers")
struct ShapeTests {
    @Test("an unknown path is 404, a known one with another method is 405 and says which methods it has")
    func unmatched() async {
        let world = APIWorld()
        let unknown = await world.call(.get, "/nowhere")
        #expect(unknown.status == 404)
        #expect(unknown.code == "not_found")
        #expect(unknown.headers["Content-Type"] == "application/json; charset=utf-8")
        let wrong = await world.call(.put, "/workspaces")
        #expect(wrong.status == 405)
        #expect(wrong.code == "method_not_allowed")
        #expect(wrong.headers["Allow"] == "GET, HEAD, POST")
        #expect(await world.call(.get, "/registry/register").headers["Allow"] == "POST")
    }

    @Test("HEAD answers as GET, and starts no stream")
    func head() async {
        let world = APIWorld()
        let id = world.add("a")
        #expect(await world.call(.head, "/health").status == 200)
        let stream = await world.call(.head, "/workspaces/\(id)/events/stream", bearer: APIWorld.admin)
        #expect(stream.status == 200)
        #expect(stream.text == "")
    }

    @Test("every answer carries the security headers and a request id, errors too")
    func headers() async {
        let world = APIWorld()
        var seen: Set<String> = []
        for path in ["/health", "/nowhere", "/workspaces", "/workspaces/not-an-id"] {
            let answer = await world.call(.get, path)
            #expect(answer.headers["X-Content-Type-Options"] == "nosniff")
            #expect(answer.headers["X-Frame-Options"] == "DENY")
            #expect(answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains")
            #expect(answer.headers["Referrer-Policy"] == "strict-origin-when-cross-origin")
            #expect(answer.headers["Permissions-Policy"] == "camera=(), microphone=(), geolocation=()")
            #expect(answer.headers["Content-Security-Policy"] == "default-src 'self'")
            seen.insert(answer.headers["X-Request-ID"] ?? "")
        }
        #expect(seen.count == 4 && !seen.contains(""))
    }

    @Test("a workspace id that is no UUID is refused before any query")
    func badID() async {
        let world = APIWorld()
        for path in ["/workspaces/nonsense", "/workspaces/nonsense/state", "/workspaces/nonsense/logs"] {
            let answer = await world.call(.get, path, bearer: APIWorld.admin)
            #expect(answer.status == 400)
            #expect(answer.json["error"] == "invalid workspace ID")
            #expect(answer.code == "invalid_workspace_id")
        }
        #expect(world.rows.faults.calls.isEmpty)
    }

    @Test("a body that cannot be read is refused with the sentence clients know, and with the place")
    func badBodies() async {
        let world = APIWorld { $0.bodyLimit = 2000 }
        func create(_ body: String) async -> Answer { await world.call(.post, "/workspaces", bearer: APIWorld.admin, body: body) }
        for body in [
            "", "{", "[]", "\"x\"", "{}", #"{"name":""}"#, #"{"name":7}"#, #"{"name":"a","tier":1.5}"#, #"{"name":"a","secrets":{"K":1}}"#,
        ] {
            let answer = await create(body)
            #expect(answer.status == 400, "\(body)")
            #expect(answer.json["error"] == "invalid workspace payload", "\(body)")
            #expect(answer.code == "invalid_request", "\(body)")
        }
        #expect(await create(#"{"name":"a","tier":"2"}"#).json["details"]?["field"] == "tier")
        #expect(await create(#"{"name":"a","parent_id":"root"}"#).json["details"]?["field"] == "parent_id")
        let large = await create(#"{"name":""# + String(repeating: "x", count: 3000) + #""}"#)
        #expect(large.status == 413)
        #expect(large.code == "payload_too_large")
        let beat = await world.call(.post, "/registry/heartbeat", bearer: "x", body: "nope")
        #expect(beat.status == 400)
        #expect(beat.json["error"] == "invalid request body")
    }

    @Test("an error nobody expected is 500 without its words, and findable in the log by the id of the answer")
    func unexpected() async {
        struct Driver: Error, CustomStringConvertible { var description: String { "password=hunter2 at 10.0.0.7" } }
        let world = APIWorld()
        world.goDown(Driver())
        let answer = await world.call(.get, "/workspaces", bearer: APIWorld.admin)
        #expect(answer.status == 500)
        #expect(answer.code == "internal_error")
        #expect(!answer.text.contains("hunter2"))
        let id = answer.headers["X-Request-ID"] ?? "none"
        #expect(answer.json["next"]?.string?.contains(id) == true)
        #expect(world.log.text.contains { $0.hasPrefix("error") && $0.contains(id) })
    }
}
