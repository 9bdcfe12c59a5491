import API
import HTTP
import Model
import Testing

@Suite("Creating and deleting over the wire")
struct CreateDeleteTests {
    private func world(_ change: (inout APISettings) -> Void = { _ in }) -> APIWorld {
        let world = APIWorld(change)
        var echo = Template(id: "echo", directory: "/templates/echo")
        echo.runtime = "echo"
        echo.image = "echo:1"
        world.templates.set(TemplateCatalog(templates: [echo]))
        world.engine.addImage("echo:1")
        return world
    }

    private func create(_ world: APIWorld, _ body: String, headers: Headers = [:]) async -> Answer {
        await world.call(.post, "/workspaces", bearer: APIWorld.admin, headers: headers, body: body)
    }

    @Test("a create answers 201 with the row that was committed, whatever the case of the keys and whatever else is sent")
    func create() async throws {
        let world = world()
        let answer = await create(world, #"{"Name":"Ann","TEMPLATE":"echo","role":"","tier":0,"budget_limit":null,"unknown":[1]} trailing"#)
        #expect(answer.status == 201, "\(answer.text)")
        let id = try #require(answer.json["id"]?.string.flatMap(WorkspaceID.init))
        #expect(
            answer.text.hasPrefix(
                #"{"id":"\#(id)","status":"provisioning","awareness_namespace":"workspace:\#(id)","workspace_access":"none","name":"Ann","#)
        )
        let row = try #require(world.rows.row(id))
        #expect(row.name == "Ann" && row.role == nil && row.tier == 2 && row.runtime == "echo")
        #expect(answer.json["connection"] == nil)
        await world.provisioner.cancelAll()
    }

    @Test("an external workspace gets a connection block, with a token that works and is shown nowhere else")
    func external() async throws {
        let world = world { $0.externalPlatformURL = "https://berth.example/" }
        let answer = await create(world, #"{"name":"Far","external":true}"#)
        #expect(answer.status == 201)
        #expect(answer.json["external"] == true)
        #expect(answer.json["status"] == "awaiting_agent")
        let id = try #require(answer.json["id"]?.string)
        let connection = try #require(answer.json["connection"]?.object)
        #expect(
            connection.keys == [
                "workspace_id", "platform_url", "auth_token", "registry_endpoint", "heartbeat_endpoint", "curl_register_template",
                "python_snippet",
            ])
        #expect(connection["platform_url"] == "https://berth.example")
        #expect(connection["registry_endpoint"] == "https://berth.example/registry/register")
        let token = try #require(connection["auth_token"]?.string)
        #expect(await world.call(.get, "/workspaces/\(id)/state", bearer: token).status == 200)
        #expect(await !world.call(.get, "/workspaces/\(id)", bearer: APIWorld.admin).text.contains(token))
        #expect(!world.log.text.contains { $0.contains(token) })

        let beat = await world.call(.post, "/registry/heartbeat", bearer: token, body: #"{"workspace_id":"\#(id)"}"#)
        #expect(beat.text == #"{"status":"ok"}"#)
        #expect(await world.call(.get, "/workspaces/\(id)").json["status"] == "online")
    }

    @Test(
        "without a configured address the connection block takes it off the request, and repeats no odd names",
        arguments: [
            (["Host": "berth.test:8080"], "http://berth.test:8080"),
            (["Host": "inner", "X-Forwarded-Host": "outer.test", "X-Forwarded-Proto": "https"], "https://outer.test"),
            (["Host": "a'; rm -rf / #"], "http://localhost"), (["Host": "ok", "X-Forwarded-Proto": "javascript"], "http://ok"),
        ] as [([String: String], String)])
    func platformURL(headers: [String: String], url: String) async {
        let fields = Headers(headers.map { Headers.Field($0.key, $0.value) })
        let answer = await create(world(), #"{"name":"Far","external":true}"#, headers: fields)
        #expect(answer.json["connection"]?["platform_url"]?.string == url)
    }

    @Test("what the provisioner refuses keeps its code and its sentence")
    func refused() async {
        let world = world()
        let cases = [
            (#"{"name":"Ann","runtime":"nonsense"}"#, 400, "runtime_unknown"),
            (#"{"name":"Ann","template":"nope"}"#, 400, "template_not_found"),
            (#"{"name":"Ann","template":"echo","tier":4}"#, 403, "tier_not_allowed"),
            (#"{"name":"Ann","template":"echo","secrets":{"WORKSPACE_ID":"x"}}"#, 400, "env_reserved"),
            (#"{"name":"Ann","external":true,"url":"http://169.254.169.254/"}"#, 400, "unsafe_url"),
        ]
        for (body, status, code) in cases {
            let answer = await create(world, body)
            #expect(answer.status == status, "\(body): \(answer.text)")
            #expect(answer.code == code, "\(body)")
        }
        #expect(world.rows.rows.isEmpty)
    }

    @Test("deleting a workspace with children asks first, where existing clients look for it")
    func confirmation() async {
        let world = world()
        let parent = world.add("Ann")
        let child = world.add("Bob") { $0.parentID = parent }
        world.add("Cleo") { $0.parentID = child }
        let asked = await world.call(.delete, "/workspaces/\(parent)", bearer: APIWorld.admin)
        #expect(asked.status == 409)
        #expect(asked.code == "confirmation_required")
        #expect(asked.json["status"] == "confirmation_required")
        #expect(asked.json["children"]?.text == #"[{"id":"\#(child)","name":"Bob"}]"#)
        #expect(asked.json["children_count"] == 1)
        #expect(asked.json["message"]?.string?.isEmpty == false)
        let maybe = await world.call(.delete, "/workspaces/\(parent)?confirm=maybe", bearer: APIWorld.admin)
        #expect(maybe.status == 400)
        let done = await world.call(.delete, "/workspaces/\(parent)?confirm=true", bearer: APIWorld.admin)
        #expect(done.text == #"{"status":"removed","cascade_deleted":2}"#)
        #expect(await world.call(.get, "/workspaces", bearer: APIWorld.admin).text == "[]")
        #expect(await world.call(.get, "/workspaces/\(child)").text == #"{"id":"\#(child)","status":"removed"}"#)
    }

    @Test("a delete that cannot clean up says how much is left, and by which code")
    func stopFailed() async {
        let world = world()
        let id = world.add("Ann")
        let down = BackendError(.unavailable, .engineUnavailable, "the engine does not answer")
        for name in ["containersOf", "containers", "removeContainer", "volumes", "volumesOf", "removeVolume"] {
            world.engine.faults.on(name, nth: 0, .fail(down))
        }
        let answer = await world.call(.delete, "/workspaces/\(id)", bearer: APIWorld.admin)
        #expect(answer.status == 500, "\(world.engine.faults.calls)")
        #expect(answer.code == "stop_failed")
        #expect(answer.json["removed_count"] == 1)
        #expect(answer.json["stop_failures"] == 1)
        #expect(answer.json["failed"]?.text == #"[{"id":"\#(id)","error_class":"engine_unavailable"}]"#)
        world.engine.faults.clear()
        let again = await world.call(.delete, "/workspaces/\(id)", bearer: APIWorld.admin)
        #expect(again.text == #"{"status":"removed","cascade_deleted":0}"#)
    }

    @Test("deleting what is not there is 404")
    func missing() async {
        let answer = await world().call(.delete, "/workspaces/99999999-0000-4000-8000-000000000000", bearer: APIWorld.admin)
        #expect(answer.status == 404)
        #expect(answer.code == "workspace_not_found")
    }
}

@Suite("Agents reporting over the wire")
struct RegistryRouteTests {
    @Test("the three reports answer what existing agents match as text, at both doors", arguments: Door.allCases)
    func accepted(door: Door) async {
        let world = APIWorld()
        let id = world.add("Far", .awaitingAgent) { $0.external = true }
        let token = "token-of-\(id)"
        let register = await world.call(
            .post, "/registry/register", at: door, bearer: token,
            body: #"{"id":"\#(id)","url":"http://93.184.216.34:8000","agent_card":{"name":"Far"}}"#)
        #expect(register.text == #"{"status":"registered"}"#)
        let beat = await world.call(.post, "/registry/heartbeat", at: door, bearer: token, body: #"{"workspace_id":"\#(id)"}"#)
        #expect(beat.text == #"{"status":"ok"}"#)
        let card = await world.call(
            .post, "/registry/update-card", at: door, bearer: token, body: #"{"workspace_id":"\#(id)","agent_card":{"name":"Farther"}}"#)
        #expect(card.text == #"{"status":"updated"}"#)
        #expect(world.rows.row(id)?.agentCard?["name"] == "Farther")
    }

    @Test("a removed workspace's agent gets 410 and nothing happens")
    func removed() async {
        let world = APIWorld()
        let id = world.add("Gone", .removed)
        for (path, body) in [
            ("register", #"{"id":"\#(id)","url":"http://93.184.216.34:8000","agent_card":{}}"#),
            ("heartbeat", #"{"workspace_id":"\#(id)"}"#),
            ("update-card", #"{"workspace_id":"\#(id)","agent_card":{}}"#),
        ] {
            let answer = await world.call(.post, "/registry/\(path)", at: .agents, bearer: "token-of-\(id)", body: body)
            #expect(answer.status == 410, "\(path): \(answer.text)")
            #expect(answer.code == "workspace_removed")
            #expect(answer.json["deleted"] == true)
        }
        #expect(world.rows.history(of: id).isEmpty)
    }

    @Test("a report without a token is refused before its body is read")
    func noToken() async {
        let world = APIWorld()
        let answer = await world.call(.post, "/registry/heartbeat", at: .agents, body: "nonsense")
        #expect(answer.status == 401)
        #expect(answer.json["error"] == "missing workspace auth token")
        #expect(world.rows.faults.calls.isEmpty)
    }
}
