import API
import HTTP
import Model
import Testing

@Suite("Workspaces on the wire")
struct WorkspaceTests {
    @Test("the list is compact JSON with the keys, the order and the explicit nulls that existing clients match as text")
    func list() async {
        let world = APIWorld()
        let empty = await world.call(.get, "/workspaces", bearer: APIWorld.admin)
        #expect(empty.text == "[]")
        let id = world.add("Ann") {
            $0.lastErrorRate = 0.8
            $0.canvasX = 100
            $0.url = "http://127.0.0.1:49152"
        }
        world.add("gone", .removed)
        let answer = await world.call(.get, "/workspaces", bearer: APIWorld.admin)
        #expect(
            answer.text.hasPrefix(
                #"[{"id":"\#(id)","name":"Ann","role":null,"tier":2,"status":"online","agent_card":null,"url":"http://127.0.0.1:49152","#
                    + #""parent_id":null,"active_tasks":0,"max_concurrent_tasks":1,"last_error_rate":0.8,"last_sample_error":"","#
                    + #""uptime_seconds":0,"current_task":"","runtime":"echo","workspace_dir":null,"monthly_spend":0,"budget_limit":null,"#
                    + #""x":100,"y":0,"collapsed":false,"#))
        #expect(answer.json.array?.count == 1)
        #expect(answer.json[0]?["failure"] == nil)
    }

    @Test("anybody learns the status of a workspace and nothing else; a credential shows the rest")
    func views() async {
        let world = APIWorld()
        let id = world.add("Ann") {
            $0.currentTask = "thinking"
            $0.workspaceDirectory = "/srv/ann"
        }
        #expect(await world.call(.get, "/workspaces/\(id)").text == #"{"id":"\#(id)","status":"online"}"#)
        let person = await world.call(.get, "/workspaces/\(id)", bearer: APIWorld.admin).json
        #expect(person["current_task"] == "thinking")
        #expect(person["workspace_dir"] == "/srv/ann")
        #expect(person.object?.keys.contains("last_outbound_at") == true)
        let agent = await world.call(.get, "/workspaces/\(id)", at: .agents, bearer: "token-of-\(id)").json
        #expect(agent["current_task"] == "thinking")
        #expect(agent["workspace_dir"] == nil)
        let missing = await world.call(.get, "/workspaces/99999999-0000-4000-8000-000000000000")
        #expect(missing.status == 404)
        #expect(missing.json["error"] == "workspace not found")
    }

    @Test("a failed workspace carries its cause, its exit code and its last lines")
    func failure() async {
        let world = APIWorld()
        let id = world.add("Ann", .failed) {
            $0.failure = WorkspaceFailure(
                code: .containerExited, message: "the container exited", exitCode: 1, logTail: "boom\n",
                at: Timestamp(seconds: 1_800_000_000))
        }
        let shown = await world.call(.get, "/workspaces/\(id)", bearer: APIWorld.admin).json["failure"]
        #expect(
            shown?.text
                == #"{"code":"container_exited","message":"the container exited","next":null,"exit_code":1,"log_tail":"boom\n","at":"2027-01-15T08:00:00.000000Z"}"#
        )
    }

    @Test("the time an agent has comes from the one resolver: the operator's, else the longest of built-in and declared")
    func timeouts() async {
        func shown(_ world: APIWorld, _ declared: [String: Int], _ change: @escaping (inout Workspace) -> Void = { _ in }) async
            -> JSONValue?
        {
            let id = world.add("Ann", .online, change)
            world.templates.set(TemplateCatalog(provisionTimeoutSeconds: declared))
            let alone = await world.call(.get, "/workspaces/\(id)", bearer: APIWorld.admin).json["provision_timeout_ms"]
            #expect(await world.call(.get, "/workspaces", bearer: APIWorld.admin).json.array?.last?["provision_timeout_ms"] == alone)
            return alone
        }
        #expect(await shown(APIWorld(), [:]) == 600_000)
        #expect(await shown(APIWorld(), ["echo": 90]) == 600_000, "a template can only lengthen")
        #expect(await shown(APIWorld(), ["echo": 900]) == 900_000)
        #expect(await shown(APIWorld(), ["hermes": 720]) { $0.runtime = "hermes" } == 1_800_000)
        let overridden = APIWorld { $0.provisionTimeouts = ProvisionTimeouts(override: 5) }
        #expect(await shown(overridden, ["echo": 900]) == 5000)
        #expect(await shown(APIWorld(), ["echo": 900]) { $0.external = true } == nil, "nobody waits for an external agent")
    }

    @Test("an agent reads how its workspace stands")
    func state() async {
        let world = APIWorld()
        let id = world.add("Ann", .paused)
        let answer = await world.call(.get, "/workspaces/\(id)/state", at: .agents, bearer: "token-of-\(id)")
        #expect(answer.text == #"{"workspace_id":"\#(id)","status":"paused","paused":true,"deleted":false}"#)
        let missing = await world.call(.get, "/workspaces/99999999-0000-4000-8000-000000000000/state", bearer: APIWorld.admin)
        #expect(missing.status == 404)
        #expect(missing.text == #"{"workspace_id":"99999999-0000-4000-8000-000000000000","deleted":true}"#)
    }

    @Test("templates are a plain list: broken ones stand in it with the line, and no list is ever null")
    func templates() async {
        let world = APIWorld()
        #expect(await world.call(.get, "/templates", bearer: APIWorld.admin).text == "[]")
        var echo = Template(id: "echo", directory: "/srv/templates/echo")
        echo.runtime = "echo"
        let problem = TemplateProblem(
            .error, file: "/srv/templates/bad/config.yaml", line: 3, column: 5, key: "tier", message: "a whole number is expected")
        world.templates.set(TemplateCatalog(templates: [echo], broken: ["bad": [problem]]))
        let answer = await world.call(.get, "/templates", bearer: APIWorld.admin)
        #expect(answer.json.array?.map { $0["id"]?.string } == ["bad", "echo"])
        #expect(answer.json[0]?["valid"] == false)
        #expect(
            answer.json[0]?["problems"]?[0]?.text
                == #"{"severity":"error","file":"bad/config.yaml","line":3,"column":5,"key":"tier","message":"a whole number is expected"}"#
        )
        #expect(
            answer.json[1]?.text
                == #"{"id":"echo","name":"echo","description":"","tier":0,"runtime":"echo","model":"","skills":[],"skill_count":0,"image":null,"valid":true,"problems":[]}"#
        )
        #expect(!answer.text.contains("/srv"))
    }
}

@Suite("Logs")
struct LogTests {
    @Test("the newest container's output comes as text, with the options the caller gave")
    func container() async throws {
        let world = APIWorld()
        let id = world.add("Ann")
        let row = try #require(world.rows.row(id))
        world.engine.addImage("echo")
        for (generation, line) in [(2, "one\n"), (1, "stale\n")] {
            var labels = WorkspaceLabels(workspace: row)
            labels.generationNumber = generation
            let container = try await world.engine.createContainer(
                ContainerSpec(name: "ws-\(generation)", image: "echo", labels: labels))
            world.engine.write(line, to: container)
        }
        let answer = await world.call(.get, "/workspaces/\(id)/logs?tail=20&since=1800000000.5&follow=true", bearer: "token-of-\(id)")
        #expect(answer.text == "one\n")
        #expect(answer.headers["Content-Type"] == "text/plain; charset=utf-8")
        #expect(world.engine.logReads == [LogOptions(tail: 20, since: Timestamp(microseconds: 1_800_000_000_500_000), follow: true)])
        _ = await world.call(.get, "/workspaces/\(id)/logs?since=2027-01-15T08:00:00Z&tail=all", bearer: APIWorld.admin)
        #expect(world.engine.logReads.last == LogOptions(tail: nil, since: Timestamp(seconds: 1_800_000_000), follow: false))
    }

    @Test("without a container the lines kept with the failure are given")
    func failureTail() async {
        let world = APIWorld()
        let id = world.add("Ann", .failed) {
            $0.failure = WorkspaceFailure(code: .containerExited, message: "exited", logTail: "last words\n", at: Timestamp(seconds: 1))
        }
        let answer = await world.call(.get, "/workspaces/\(id)/logs", bearer: APIWorld.admin)
        #expect(answer.text == "last words\n")
        #expect(answer.headers["X-Log-Source"] == "failure")
        let bare = world.add("Bob")
        let nothing = await world.call(.get, "/workspaces/\(bare)/logs", bearer: APIWorld.admin)
        #expect(nothing.status == 404)
        #expect(nothing.code == "container_missing")
    }

    @Test(
        "wrong options are refused by name",
        arguments: ["tail=-1", "tail=x", "tail=1000001", "since=yesterday", "since=-5", "follow=maybe"])
    func refused(query: String) async {
        let world = APIWorld()
        let id = world.add("Ann")
        let answer = await world.call(.get, "/workspaces/\(id)/logs?\(query)", bearer: APIWorld.admin)
        #expect(answer.status == 400)
        #expect(answer.json["details"]?["field"]?.string == query.split(separator: "=").first.map(String.init))
    }
}
