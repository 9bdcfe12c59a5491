import API
import HTTP
import Model
import Testing

@Suite("Who may")
struct DoorTests {
    @Test("the matrix of credentials at the people's door")
    func peopleMatrix() async {
        let world = APIWorld()
        let own = world.add("own")
        let other = world.add("other")
        let agent = "token-of-\(own)"
        let cases: [(Method, String, String?, Int, String?)] = [
            (.get, "/workspaces", nil, 401, "admin_auth_required"),
            (.get, "/workspaces", "wrong", 401, "admin_auth_invalid"),
            (.get, "/workspaces", agent, 401, "admin_auth_invalid"),
            (.get, "/workspaces", APIWorld.admin, 200, nil),
            (.post, "/workspaces", nil, 401, "admin_auth_required"),
            (.post, "/workspaces", agent, 401, "admin_auth_invalid"),
            (.delete, "/workspaces/\(own)", agent, 401, "admin_auth_invalid"),
            (.get, "/templates", agent, 401, "admin_auth_invalid"),
            (.get, "/metrics", nil, 401, "admin_auth_required"),
            (.get, "/metrics", APIWorld.admin, 200, nil),
            (.get, "/workspaces/\(own)", nil, 200, nil),
            (.get, "/workspaces/\(own)", "wrong", 401, "workspace_auth_invalid"),
            (.get, "/workspaces/\(own)", agent, 200, nil),
            (.get, "/workspaces/\(other)", agent, 401, "workspace_auth_invalid"),
            (.get, "/workspaces/\(own)/state", nil, 401, "workspace_auth_required"),
            (.get, "/workspaces/\(own)/state", agent, 200, nil),
            (.get, "/workspaces/\(own)/state", APIWorld.admin, 200, nil),
            (.get, "/workspaces/\(other)/state", agent, 401, "workspace_auth_invalid"),
            (.get, "/workspaces/\(other)/logs", agent, 401, "workspace_auth_invalid"),
            (.get, "/workspaces/\(other)/events/stream", agent, 401, "workspace_auth_invalid"),
            (.get, "/health", nil, 200, nil), (.get, "/healthz", nil, 200, nil), (.get, "/readyz", nil, 200, nil),
        ]
        for (method, path, bearer, status, code) in cases {
            let answer = await world.call(method, path, bearer: bearer)
            #expect(answer.status == status, "\(method) \(path) with \(bearer ?? "nothing"): \(answer.text)")
            #expect(answer.code == code, "\(method) \(path) with \(bearer ?? "nothing")")
        }
    }

    @Test("at the agents' door a workspace token is always required, opens only its own workspace, and the admin bearer counts for nothing")
    func agentsMatrix() async {
        let world = APIWorld {
            $0.developmentMode = true
            $0.adminTokenWasGenerated = true
        }
        let own = world.add("own")
        let other = world.add("other")
        let agent = "token-of-\(own)"
        let cases: [(Method, String, String?, Int, String?)] = [
            (.get, "/workspaces/\(own)", nil, 401, "workspace_auth_required"),
            (.get, "/workspaces/\(own)", APIWorld.admin, 401, "workspace_auth_invalid"),
            (.get, "/workspaces/\(own)", agent, 200, nil),
            (.get, "/workspaces/\(other)", agent, 401, "workspace_auth_invalid"),
            (.get, "/workspaces/\(own)/state", agent, 200, nil),
            (.get, "/workspaces/\(own)/state", nil, 401, "workspace_auth_required"),
            (.post, "/registry/heartbeat", nil, 401, "workspace_auth_required"),
            (.get, "/healthz", nil, 200, nil),
            (.get, "/health", nil, 404, "not_found"),
            (.get, "/workspaces", APIWorld.admin, 404, "not_found"),
            (.get, "/templates", APIWorld.admin, 404, "not_found"),
            (.get, "/metrics", APIWorld.admin, 404, "not_found"),
            (.delete, "/workspaces/\(own)", APIWorld.admin, 405, "method_not_allowed"),
        ]
        for (method, path, bearer, status, code) in cases {
            let answer = await world.call(method, path, at: .agents, bearer: bearer, body: "{\"workspace_id\":\"\(own)\"}")
            #expect(answer.status == status, "\(method) \(path) with \(bearer ?? "nothing"): \(answer.text)")
            #expect(answer.code == code, "\(method) \(path) with \(bearer ?? "nothing")")
        }
    }

    @Test("without a bearer nothing is asked of the datastore")
    func noQueries() async {
        let world = APIWorld()
        let id = world.add("a")
        _ = await world.call(.get, "/workspaces/\(id)/state")
        _ = await world.call(.get, "/workspaces")
        _ = await world.call(.post, "/workspaces/\(id)/a2a", headers: ["X-Workspace-ID": id.text])
        #expect(world.rows.faults.calls.isEmpty)
    }

    @Test("a datastore that does not answer calls no credential invalid")
    func failsClosed() async {
        let world = APIWorld()
        let id = world.add("a")
        world.goDown()
        for door in Door.allCases {
            let answer = await world.call(.get, "/workspaces/\(id)/state", at: door, bearer: "token-of-\(id)")
            #expect(answer.status == 503)
            #expect(answer.text == #"{"error":"platform datastore unavailable — retry shortly","code":"platform_unavailable"}"#)
        }
    }

    @Test("a token that a later start replaced is invalid; one of a removed workspace says so")
    func revokedAndRemoved() async throws {
        let world = APIWorld()
        let restarted = world.add("restarted")
        _ = try await world.rows.beginGeneration(of: restarted, token: APIWorld.token("newer"))
        #expect(await world.call(.get, "/workspaces/\(restarted)/state", bearer: "token-of-\(restarted)").code == "workspace_auth_invalid")

        let removed = world.add("removed", .removed)
        let state = await world.call(.get, "/workspaces/\(removed)/state", at: .agents, bearer: "token-of-\(removed)")
        #expect(state.status == 404)
        #expect(state.text == #"{"workspace_id":"\#(removed)","status":"removed","deleted":true}"#)
        let show = await world.call(.get, "/workspaces/\(removed)", at: .agents, bearer: "token-of-\(removed)")
        #expect(show.status == 410)
        #expect(show.json["deleted"] == true)
    }

    @Test("a message comes from a person without X-Workspace-ID, or from the workspace whose token is sent")
    func senders() async {
        let world = APIWorld()
        let own = world.add("own")
        let other = world.add("other")
        let agent = "token-of-\(own)"
        let cases: [(Door, String?, String?, Int, String)] = [
            (.people, nil, nil, 401, "admin_auth_required"),
            (.people, "wrong", nil, 401, "admin_auth_invalid"),
            (.people, agent, nil, 403, "caller_invalid"),
            (.people, agent, other.text, 401, "workspace_auth_invalid"),
            (.people, nil, own.text, 401, "workspace_auth_required"),
            (.people, APIWorld.admin, own.text, 401, "workspace_auth_invalid"),
            (.agents, nil, nil, 401, "workspace_auth_required"),
            (.agents, APIWorld.admin, nil, 401, "workspace_auth_invalid"),
            (.agents, agent, nil, 403, "caller_invalid"),
            (.agents, agent, "not-a-uuid", 403, "caller_invalid"),
            (.agents, agent, "webhook:x", 403, "caller_invalid"),
            (.agents, agent, "system:restart-context", 403, "caller_invalid"),
            (.people, APIWorld.admin, "test:x", 403, "caller_invalid"),
            (.people, APIWorld.admin, "channel:x", 403, "caller_invalid"),
        ]
        for (door, bearer, caller, status, code) in cases {
            let headers: Headers = caller.map { ["X-Workspace-ID": $0] } ?? [:]
            let answer = await world.call(.post, "/workspaces/\(other)/a2a", at: door, bearer: bearer, headers: headers, body: "{}")
            #expect(answer.status == status, "\(door) \(bearer ?? "-") \(caller ?? "-"): \(answer.text)")
            #expect(answer.code == code, "\(door) \(bearer ?? "-") \(caller ?? "-")")
        }
        let toItself = await world.call(
            .post, "/workspaces/\(own)/a2a", at: .agents, bearer: agent, headers: ["X-Workspace-ID": own.text], body: "{}")
        #expect(toItself.status != 401 && toItself.status != 403, "a self-call with its own token is let in: \(toItself.text)")
    }
}

@Suite("Development mode")
struct DevelopmentModeTests {
    private func world(_ change: @escaping (inout APISettings) -> Void = { _ in }) -> APIWorld {
        APIWorld {
            $0.developmentMode = true
            $0.adminTokenWasGenerated = true
            change(&$0)
        }
    }

    @Test("it opens the people's door to calls without a bearer")
    func opens() async {
        let world = world()
        let id = world.add("a") { $0.currentTask = "thinking" }
        #expect(await world.call(.get, "/workspaces", headers: ["Host": "localhost:8080"]).status == 200)
        #expect(await world.call(.get, "/workspaces/\(id)/state").status == 200)
        #expect(await world.call(.get, "/workspaces/\(id)").json["current_task"] == "thinking")
    }

    @Test("a wrong bearer still fails")
    func wrongBearer() async {
        let world = world()
        let id = world.add("a")
        #expect(await world.call(.get, "/workspaces", bearer: "wrong").status == 401)
        #expect(await world.call(.get, "/workspaces/\(id)", bearer: "wrong").status == 401)
    }

    @Test("it opens nothing when the operator set a token, or when the door is not on loopback")
    func staysShut() async {
        #expect(await world { $0.adminTokenWasGenerated = false }.call(.get, "/workspaces").status == 401)
        #expect(await world { $0.peopleDoorIsLoopback = false }.call(.get, "/workspaces").status == 401)
        #expect(await APIWorld { $0.adminTokenWasGenerated = true }.call(.get, "/workspaces").status == 401)
    }

    @Test(
        "a page of another site is not the developer",
        arguments: [
            ("localhost:8080", "http://localhost:3000", 200), ("127.0.0.1:8080", "http://127.0.0.1:8080", 200),
            ("[::1]:8080", "http://[::1]", 200),
            ("localhost:8080", "https://evil.example", 401), ("evil.example", "http://localhost:3000", 401),
            ("localhost:8080", "null", 401), ("localhost.evil.example:8080", "http://localhost", 401), ("127.0.0.1.evil.example", "", 401),
        ])
    func otherSites(host: String, origin: String, status: Int) async {
        var headers: Headers = ["Host": host]
        if !origin.isEmpty { headers["Origin"] = origin }
        #expect(await world().call(.get, "/workspaces", headers: headers).status == status)
    }
}
