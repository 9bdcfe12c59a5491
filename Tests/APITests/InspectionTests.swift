import API
import HTTP
import Model
import TestSupport
import Testing

@Suite("A closer look at a workspace")
struct InspectionTests {
    private func container(
        _ world: APIWorld, of id: WorkspaceID, generation: Int = 1, _ change: (inout ContainerSpec) -> Void = { _ in }
    ) async throws -> String {
        var labels = WorkspaceLabels(workspace: try #require(world.rows.row(id)))
        labels.generationNumber = generation
        world.engine.addImage("echo:1")
        var spec = ContainerSpec(name: "ws-\(id.text.prefix(8))-\(generation)", image: "echo:1", labels: labels)
        change(&spec)
        return try await world.engine.createContainer(spec)
    }

    private func inspect(_ world: APIWorld, _ id: WorkspaceID) async -> Answer {
        await world.call(.get, "/workspaces/\(id)/inspect", bearer: APIWorld.admin)
    }

    @Test("inspect shows what the container is: state, image with digests, limits, mounts, labels, and names of its environment")
    func shown() async throws {
        let world = APIWorld()
        let id = world.add("Ann") { $0.image = "echo:1" }
        let running = try await container(world, of: id) {
            $0.environment = [EnvironmentVariable("API_KEY", "hunter2"), EnvironmentVariable("A", "1")]
            $0.mounts = [.volume(name: "ws-1-configs", at: "/configs"), .bind(hostPath: "/srv/ann", at: "/workspace", readOnly: true)]
            $0.memoryBytes = 512 << 20
            $0.pidsLimit = 1024
        }
        try await world.engine.start(running)
        let answer = await inspect(world, id)
        #expect(answer.status == 200)
        let shown = try #require(answer.json["container"])
        #expect(shown["state"] == "running" && shown["exit_code"] == .null && shown["oom_killed"] == false && shown["restart_count"] == 0)
        #expect(shown["image"]?.text == #"{"name":"echo:1","id":"sha256:echo:1","digests":["echo:1@sha256:0"]}"#)
        #expect(shown["limits"]?.text == #"{"memory_bytes":536870912,"nano_cpus":0,"pids":1024}"#)
        #expect(shown["environment"]?.text == #"["A","API_KEY"]"#)
        #expect(shown["mounts"]?[1]?["source"] == "/srv/ann" && shown["mounts"]?[1]?["read_only"] == true)
        #expect(shown["labels"]?["molecule.workspace.name"] == "Ann")
        #expect(answer.json["desired_state"] == "running" && answer.json["actual_state"] == "running")
        #expect(answer.json["drift"] == [])
        #expect(!answer.text.contains("hunter2"))
    }

    @Test("an agent sees its own workspace without directories of the host")
    func agent() async throws {
        let world = APIWorld()
        let id = world.add("Ann")
        _ = try await container(world, of: id) {
            $0.mounts = [.bind(hostPath: "/srv/ann", at: "/workspace", readOnly: false), .volume(name: "v", at: "/configs")]
        }
        let answer = await world.call(.get, "/workspaces/\(id)/inspect", at: .agents, bearer: "token-of-\(id)")
        #expect(answer.status == 200)
        #expect(!answer.text.contains("/srv/ann"))
        #expect(answer.json["container"]?["mounts"]?[1]?["source"] == "v")
        let other = world.add("Bob")
        #expect(await world.call(.get, "/workspaces/\(other)/inspect", at: .agents, bearer: "token-of-\(id)").status == 401)
    }

    @Test("what differs from the row is listed: state, image, labels, and containers of other generations")
    func drift() async throws {
        let world = APIWorld()
        let id = world.add("Ann") {
            $0.image = "echo:2"
            $0.tier = 1
            $0.generation = 2
        }
        _ = try await container(world, of: id, generation: 1)
        _ = try await container(world, of: id, generation: 2) { $0.labels.tierNumber = 2 }
        let drift = (await inspect(world, id)).json["drift"]?.array?.map(\.text) ?? []
        #expect(
            drift == [
                #"{"field":"state","wanted":"running","actual":"created"}"#, #"{"field":"image","wanted":"echo:2","actual":"echo:1"}"#,
                #"{"field":"label molecule.workspace.tier","wanted":"1","actual":"2"}"#,
                #"{"field":"container ws-\#(id.text.prefix(8))-1","wanted":"absent","actual":"created"}"#,
            ])
    }

    @Test(
        "every condition says what it wants of the container",
        arguments: [
            (WorkspaceCondition(.online), "running"), (.init(.awaitingAgent), "running"), (.init(.paused), "stopped"),
            (.init(.hibernated), "stopped"), (.init(.failed, .crashLoop), "stopped"), (.init(.failed, .registerTimeout), "running"),
            (.init(.failed, .provision), "absent"), (.init(.removed), "absent"),
        ])
    func desired(condition: WorkspaceCondition, wanted: String) async throws {
        let world = APIWorld()
        let id = world.add("Ann") { $0.condition = condition }
        let without = await inspect(world, id)
        #expect(without.json["desired_state"]?.string == wanted)
        #expect(without.json["actual_state"] == "absent" && without.json["container"] == .null)
        #expect((without.json["drift"] == []) == (wanted != "running"), "a container that is gone does not run")
        let running = try await container(world, of: id)
        try await world.engine.start(running)
        #expect(((await inspect(world, id)).json["drift"] == []) == (wanted == "running"))
    }

    @Test("an ended container shows its exit code and that memory ran out")
    func ended() async throws {
        let world = APIWorld()
        let id = world.add("Ann")
        world.engine.behave(.exhaustMemory, image: "echo:1")
        try await world.engine.start(try await container(world, of: id))
        let shown = (await inspect(world, id)).json["container"]
        #expect(shown?["exit_code"] == 137 && shown?["oom_killed"] == true && shown?["state"] == "exited")
    }

    @Test("an engine that does not answer is said to be away, not a workspace without a container")
    func engineAway() async {
        let world = APIWorld()
        let id = world.add("Ann")
        world.engine.faults.on("containersOf", nth: 0, .fail(BackendError(.unavailable, .engineUnavailable, "no answer")))
        let answer = await inspect(world, id)
        #expect(answer.status == 503 && answer.code == "engine_unavailable")
    }

    @Test("the engine is not asked about an agent that lives elsewhere")
    func external() async {
        let world = APIWorld()
        let id = world.add("Far") { $0.external = true }
        let answer = await inspect(world, id)
        #expect(answer.json["desired_state"] == "elsewhere" && answer.json["container"] == .null && answer.json["drift"] == [])
        #expect(world.engine.faults.calls.isEmpty)
    }

    @Test("operations come newest first, as many as asked for, with the reasons kept")
    func operations() async throws {
        let world = APIWorld()
        let id = world.add("Ann")
        let first = try await world.rows.openOperation(.create, on: id, reason: nil)
        try await world.rows.markOperation(first, .running, code: nil, reason: nil)
        try await world.rows.markOperation(first, .failed, code: .imageNotFound, reason: "no such image")
        _ = try await world.rows.openOperation(.restart, on: id, reason: nil)
        let answer = await world.call(.get, "/workspaces/\(id)/operations", bearer: "token-of-\(id)")
        let at = #""2027-01-15T08:00:00.000000Z""#
        #expect(
            answer.text
                == #"{"operations":[{"id":2,"kind":"restart","state":"queued","position":null,"reason":null,"code":null,"requested_at":\#(at),"#
                + #""started_at":null,"ended_at":null},{"id":1,"kind":"create","state":"failed","position":null,"reason":"no such image","#
                + #""code":"image_not_found","requested_at":\#(at),"started_at":\#(at),"ended_at":\#(at)}]}"#)
        #expect(
            await world.call(.get, "/workspaces/\(id)/operations?limit=1", bearer: APIWorld.admin).json["operations"]?.array?.count == 1)
        for limit in ["0", "201", "x", "-1", "99999999999999999999"] {
            let refused = await world.call(.get, "/workspaces/\(id)/operations?limit=\(limit)", bearer: APIWorld.admin)
            #expect(refused.status == 400 && refused.json["details"]?["field"] == "limit", "\(limit)")
        }
        let nobody = await world.call(
            .get, "/workspaces/99999999-0000-4000-8000-000000000000/operations", bearer: APIWorld.admin)
        #expect(nobody.code == "workspace_not_found")
    }

    @Test("the console is the newest container's output, or the lines kept with the failure")
    func console() async throws {
        let world = APIWorld()
        let id = world.add("Ann")
        let box = try await container(world, of: id)
        world.engine.write("one\n", to: box)
        world.engine.write("two\n", to: box, .error)
        let path = "/workspaces/\(id)/console"
        #expect(await world.call(.get, path, bearer: APIWorld.admin).text == #"{"output":"one\ntwo\n"}"#)
        #expect(world.engine.logReads.last == LogOptions(tail: 65536))
        #expect(await world.call(.get, path, bearer: "token-of-\(id)").status == 401, "people only")
        let failed = world.add("Bob", .failed) {
            $0.failure = WorkspaceFailure(code: .containerExited, message: "exited", logTail: "last words\n", at: Timestamp(seconds: 1))
        }
        #expect(await world.call(.get, "/workspaces/\(failed)/console", bearer: APIWorld.admin).text == #"{"output":"last words\n"}"#)
        let bare = world.add("Cleo")
        #expect(await world.call(.get, "/workspaces/\(bare)/console", bearer: APIWorld.admin).code == "container_missing")
    }
}
