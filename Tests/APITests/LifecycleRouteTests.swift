import API
import HTTP
import Model
import TestSupport
import Testing

@Suite("A workspace's life over the wire", .timeLimit(.minutes(1)))
struct LifecycleRouteTests {
    private func world() -> APIWorld {
        let world = APIWorld()
        var echo = Template(id: "echo", directory: "/templates/echo")
        echo.runtime = "echo"
        echo.image = "echo:1"
        world.templates.set(TemplateCatalog(templates: [echo]))
        world.engine.addImage("echo:1")
        return world
    }

    private func post(_ world: APIWorld, _ path: String, _ body: String = "") async -> Answer {
        await world.call(.post, path, bearer: APIWorld.admin, body: body)
    }

    /// A workspace with a running container.
    private func running(_ world: APIWorld, _ name: String, _ change: @escaping (inout Workspace) -> Void = { _ in }) async throws
        -> WorkspaceID
    {
        let id = world.add(name) {
            $0.image = "echo:1"
            $0.template = "echo"
            change(&$0)
        }
        let row = try #require(world.rows.row(id))
        let spec = ContainerSpec(name: "ws-\(id.text.prefix(12))", image: "echo:1", labels: WorkspaceLabels(workspace: row))
        try await world.engine.start(try await world.engine.createContainer(spec))
        return id
    }

    private static let nobody = "99999999-0000-4000-8000-000000000000"
    private static let verbs = ["restart", "pause", "resume", "hibernate", "cancel"]

    @Test("every verb needs a credential, and none stands at the agents' door", arguments: verbs)
    func doors(verb: String) async {
        let world = world()
        let id = world.add("Ann")
        #expect(await world.call(.post, "/workspaces/\(id)/\(verb)").status == 401)
        #expect(await world.call(.post, "/workspaces/\(id)/\(verb)", at: .agents, bearer: "token-of-\(id)").status == 404)
        #expect(await post(world, "/workspaces/nonsense/\(verb)").code == "invalid_workspace_id")
        #expect(world.rows.row(id)?.status == .online)
    }

    @Test("a workspace that never was is 404", arguments: verbs)
    func missing(verb: String) async {
        #expect(await post(world(), "/workspaces/\(Self.nobody)/\(verb)").code == "workspace_not_found")
    }

    @Test("a change answers what existing clients match as text, and says when it shows only after a restart")
    func update() async {
        let world = world()
        let id = world.add("Ann") { $0.budgetLimit = 100 }
        func patch(_ body: String) async -> Answer { await world.call(.patch, "/workspaces/\(id)", bearer: APIWorld.admin, body: body) }
        #expect(await patch(#"{"name":"Anna","budget_limit":5,"unknown":1}"#).text == #"{"status":"updated"}"#)
        #expect(world.rows.row(id)?.name == "Anna" && world.rows.row(id)?.budgetLimit == 100)
        #expect(await patch(#"{"tier":1}"#).text == #"{"status":"updated","needs_restart":true}"#)
        #expect(await patch(#"{"hibernation_idle_minutes":30}"#).text == #"{"status":"updated"}"#)
        #expect(await world.call(.get, "/workspaces/\(id)", bearer: APIWorld.admin).json["hibernation_idle_minutes"] == 30)
    }

    @Test("no restart is asked for where there is nothing to restart")
    func updateExternal() async {
        let world = world()
        let id = world.add("Far") { $0.external = true }
        let answer = await world.call(.patch, "/workspaces/\(id)", bearer: APIWorld.admin, body: #"{"role":"scout"}"#)
        #expect(answer.text == #"{"status":"updated"}"#)
    }

    @Test("nothing is changed when one value of a change is wrong")
    func updateIsWhole() async {
        let world = world()
        let id = world.add("Ann")
        let answer = await world.call(.patch, "/workspaces/\(id)", bearer: APIWorld.admin, body: #"{"name":"Bob","tier":"2"}"#)
        #expect(answer.status == 400)
        #expect(answer.json["error"] == "invalid request body" && answer.json["details"]?["field"] == "tier")
        #expect(world.rows.row(id)?.name == "Ann")
        #expect(await world.call(.patch, "/workspaces/\(id)", bearer: APIWorld.admin, body: "nope").status == 400)
    }

    @Test("an agent changes how it looks and nothing else")
    func updateByAgent() async {
        let world = world()
        let id = world.add("Ann")
        let token = "token-of-\(id)"
        #expect(await world.call(.patch, "/workspaces/\(id)", at: .agents, bearer: token, body: #"{"name":"Anna"}"#).status == 200)
        let tier = await world.call(.patch, "/workspaces/\(id)", at: .agents, bearer: token, body: #"{"name":"Ada","tier":1}"#)
        #expect(tier.status == 403 && tier.code == "field_forbidden")
        #expect(world.rows.row(id)?.name == "Anna" && world.rows.row(id)?.tier == 2)
        let other = world.add("Bob")
        #expect(await world.call(.patch, "/workspaces/\(other)", at: .agents, bearer: token, body: "{}").status == 401)
    }

    @Test("a parent below the workspace itself is refused")
    func cycle() async {
        let world = world()
        let above = world.add("Ann")
        let below = world.add("Bob") { $0.parentID = above }
        let answer = await world.call(.patch, "/workspaces/\(above)", bearer: APIWorld.admin, body: #"{"parent_id":"\#(below)"}"#)
        #expect(answer.status == 409 && answer.code == "parent_cycle")
    }

    @Test("a restart answers the new generation, where its files come from, and after which event its story begins")
    func restart() async throws {
        let world = world()
        let id = try await running(world, "Ann")
        let plain = await post(world, "/workspaces/\(id)/restart", "not JSON: such a body was always ignored")
        #expect(
            plain.text
                == #"{"status":"provisioning","config_dir":"existing-volume","reset_session":false,"generation":2,"last_event_id":0}"#)
        await world.provisioner.idle()
        let news = world.rows.history(of: id).count
        let applied = await post(world, "/workspaces/\(id)/restart?reset=true", #"{"apply_template":true}"#)
        #expect(applied.json["config_dir"] == "echo" && applied.json["reset_session"] == true && applied.json["generation"] == 3)
        #expect(applied.json["last_event_id"]?.int == news)
        await world.provisioner.cancelAll()
    }

    @Test("a restart refuses a template that is not there, a field of a wrong type, and an agent's choice of template")
    func restartRefused() async throws {
        let world = world()
        let id = try await running(world, "Ann")
        #expect(await post(world, "/workspaces/\(id)/restart", #"{"template":"nope"}"#).code == "template_not_found")
        #expect(await post(world, "/workspaces/\(id)/restart", #"{"template":7}"#).json["details"]?["field"] == "template")
        let agent = await world.call(
            .post, "/workspaces/\(id)/restart", bearer: "token-of-\(id)", body: #"{"template":"echo"}"#)
        #expect(agent.status == 403 && agent.code == "field_forbidden")
        #expect(world.rows.row(id)?.generation == 1)
    }

    @Test("pause stops a workspace with its descendants, and resume starts them again")
    func pauseAndResume() async throws {
        let world = world()
        let parent = try await running(world, "Ann")
        let child = try await running(world, "Bob") { $0.parentID = parent }
        #expect(await post(world, "/workspaces/\(parent)/pause").text == #"{"status":"paused","paused_count":2}"#)
        #expect(world.rows.row(child)?.status == .paused)
        #expect(world.engine.boxes(of: child).allSatisfy { $0.facts.state != .running })
        let again = await post(world, "/workspaces/\(parent)/pause")
        #expect(again.status == 404 && again.code == "wrong_state")
        #expect(await post(world, "/workspaces/\(child)/resume").code == "parent_paused")
        #expect(await post(world, "/workspaces/\(parent)/resume").text == #"{"status":"provisioning","resumed_count":2}"#)
        #expect(await post(world, "/workspaces/\(parent)/resume").status == 404)
        await world.provisioner.cancelAll()
    }

    @Test("a pause that cannot stop a container says so, and the row is paused all the same")
    func pauseFails() async throws {
        let world = world()
        let id = try await running(world, "Ann")
        let down = BackendError(.unavailable, .engineUnavailable, "the engine does not answer")
        for name in ["stop", "containersOf", "containers"] { world.engine.faults.on(name, nth: 0, .fail(down)) }
        let answer = await post(world, "/workspaces/\(id)/pause")
        #expect(answer.status == 500 && answer.code == "stop_failed", "\(answer.text)")
        #expect(answer.json["paused_count"] == 1 && answer.json["removed_count"] == 1 && answer.json["stop_failures"] == 1)
        #expect(answer.json["failed"]?.text == #"[{"id":"\#(id)","error_class":"engine_unavailable"}]"#)
        #expect(world.rows.row(id)?.status == .paused)
        await world.provisioner.cancelAll()
    }

    @Test("a busy workspace hibernates only by force, and the refusal counts its tasks beside the error")
    func hibernate() async throws {
        let world = world()
        let id = try await running(world, "Ann") { $0.activeTasks = 2 }
        let busy = await post(world, "/workspaces/\(id)/hibernate")
        #expect(busy.status == 409 && busy.code == "tasks_active" && busy.json["active_tasks"] == 2)
        #expect(await post(world, "/workspaces/\(id)/hibernate?force=true").text == #"{"status":"hibernated"}"#)
        #expect(world.rows.row(id)?.status == .hibernated)
        #expect(await post(world, "/workspaces/\(id)/hibernate").status == 404)
        #expect(await post(world, "/workspaces/\(id)/hibernate?force=perhaps").status == 400)
    }

    @Test("cancelling ends a start, and is 404 when nothing starts")
    func cancel() async throws {
        let world = world()
        let idle = world.add("Ann")
        #expect(await post(world, "/workspaces/\(idle)/cancel").code == "wrong_state")
        world.engine.faults.on("createContainer", .hangBefore)
        let created = await world.call(.post, "/workspaces", bearer: APIWorld.admin, body: #"{"name":"Bob","template":"echo"}"#)
        let id = try #require(created.json["id"]?.string)
        await world.engine.faults.waitUntilHung()
        #expect(await post(world, "/workspaces/\(id)/cancel").text == #"{"status":"failed"}"#)
        let row = await world.call(.get, "/workspaces/\(id)", bearer: APIWorld.admin)
        #expect(row.json["failure"]?["code"] == "provision_cancelled")
        world.engine.faults.release()
        await world.provisioner.cancelAll()
    }

    @Test("a boot that failed is written down once")
    func bootstrapFailed() async {
        let world = world()
        let id = world.add("Ann", .provisioning)
        let path = "/admin/workspaces/\(id)/bootstrap-failed"
        #expect(await post(world, path, #"{"error":"no disk","log_tail":"boom"}"#).text == #"{"ok":true}"#)
        #expect(world.rows.row(id)?.status == .failed)
        #expect(await post(world, path, #"{"error":"no disk"}"#).text == #"{"ok":true,"no_change":true}"#)
        #expect(await post(world, path, "nope").status == 400)
        #expect(await world.call(.post, path, bearer: "token-of-\(id)", body: "{}").status == 401)
    }
}
