import Model
import Provisioner
import Sweeper
import TestSupport
import Testing

@Suite("Restart, pause, resume, hibernation, wake, cancel and change")
struct LifecycleVerbTests {
    private func online(_ world: World, _ provisioner: WorkspaceProvisioner, _ request: CreateWorkspace? = nil) async throws -> WorkspaceID
    {
        let id = try await world.provisioned(provisioner, request)
        _ = try await world.beat(id, token: world.token(of: id)).get()
        return id
    }

    private func state(_ world: World, _ id: WorkspaceID) throws -> ContainerFacts.State { try world.onlyBox(of: id).facts.state }

    @Test("a restart makes another container on the same volumes, and leaves the agent's files alone")
    func restart() async throws {
        let world = try World(templates: FakeTemplates([World.echo], files: ["echo": [ContainerFile(path: "prompt.md", bytes: [1])]]))
        let provisioner = world.provisioner()
        let id = try await online(world, provisioner)
        let before = try world.onlyBox(of: id)
        try await world.engine.copy([ContainerFile(path: "prompt.md", bytes: [9])], into: before.facts.id, at: "/configs")
        let volumes = world.engine.volumeNames
        let row = try await provisioner.restart(id, RestartOptions())
        #expect(row.status == .provisioning && row.generation == 2)
        await provisioner.idle()
        let after = try world.onlyBox(of: id)
        #expect(after.facts.id != before.facts.id && after.facts.state == .running && world.engine.volumeNames == volumes)
        #expect(after.files["/configs/prompt.md"]?.bytes == [9], "what the agent edited stays")
        _ = try await world.beat(id, token: world.token(of: id)).get()
        #expect(try world.row(id).status == .online)
        #expect(try await world.records.operations(of: id, limit: 9).map(\.kind) == [.restart, .create])
        #expect(try await world.records.operations(of: id, limit: 9).allSatisfy { $0.state == .succeeded })
    }

    @Test("with apply_template the template's files come again")
    func applyTemplate() async throws {
        let world = try World(templates: FakeTemplates([World.echo], files: ["echo": [ContainerFile(path: "prompt.md", bytes: [1])]]))
        let provisioner = world.provisioner()
        let id = try await online(world, provisioner)
        let container = try world.onlyBox(of: id).facts.id
        try await world.engine.copy([ContainerFile(path: "prompt.md", bytes: [9])], into: container, at: "/configs")
        var options = RestartOptions()
        options.applyTemplate = true
        _ = try await provisioner.restart(id, options)
        await provisioner.idle()
        #expect(try world.onlyBox(of: id).files["/configs/prompt.md"]?.bytes == [1])
    }

    @Test("neither a removed nor an external workspace, nor one below a paused one, can be restarted")
    func restartRefused() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let parent = try await online(world, provisioner)
        var request = world.request("child")
        request.parentID = parent
        let child = try await online(world, provisioner, request)
        _ = try await provisioner.pause(parent)
        #expect(await code { _ = try await provisioner.restart(child, RestartOptions()) } == .parentPaused)
        _ = try await provisioner.delete(parent, confirmed: true)
        #expect(await code { _ = try await provisioner.restart(parent, RestartOptions()) } == .workspaceRemoved)
        var external = CreateWorkspace(name: "ext")
        external.external = true
        let ext = try await provisioner.create(external).workspace.id
        #expect(await code { _ = try await provisioner.restart(ext, RestartOptions()) } == .externalWorkspace)
        #expect(
            await code { _ = try await provisioner.restart(WorkspaceID(random: SeededRandom(seed: 3)), RestartOptions()) }
                == .workspaceNotFound)
    }

    @Test("what is refused below a paused workspace has changed nothing: no template, no external one that comes back alone")
    func refusedBelowPaused() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let parent = try await online(world, provisioner)
        var request = world.request("child")
        request.parentID = parent
        let child = try await online(world, provisioner, request)
        request = CreateWorkspace(name: "elsewhere")
        (request.external, request.parentID) = (true, parent)
        let external = try await provisioner.create(request).workspace.id
        var bare = try world.row(child)
        bare.template = nil
        world.records.arrange(bare)
        _ = try await provisioner.pause(parent)
        var options = RestartOptions()
        options.template = World.echo.id
        #expect(await code { _ = try await provisioner.restart(child, options) } == .parentPaused)
        #expect(try world.row(child).template == nil)
        #expect(await code { _ = try await provisioner.resume(external) } == .parentPaused)
        #expect(try world.row(external).status == .paused)
    }

    @Test("a pause stops a family, keeps its containers, and a resume starts the very same ones with their tokens")
    func pauseResume() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let parent = try await online(world, provisioner)
        var request = world.request("child")
        request.parentID = parent
        let child = try await online(world, provisioner, request)
        let containers = world.engine.boxes.map(\.facts.id)
        let tokens = try [parent, child].map { try world.token(of: $0) }
        let report = try await provisioner.pause(parent)
        #expect(report.failures.isEmpty && Set(report.stopped.map(\.id)) == [parent, child])
        for id in [parent, child] {
            #expect(try world.row(id).status == .paused && state(world, id) == .exited && world.row(id).url == nil)
        }
        #expect(await code { _ = try await provisioner.pause(parent) } == .wrongState)
        world.clock.advance(by: .seconds(60))
        #expect(try await provisioner.resume(parent).count == 2)
        await provisioner.idle()
        #expect(world.engine.boxes.map(\.facts.id) == containers)
        for (id, token) in zip([parent, child], tokens) {
            #expect(try world.row(id).status == .provisioning && state(world, id) == .running)
            _ = try await world.beat(id, token: token).get()
            #expect(try world.row(id).status == .online)
        }
        #expect(await code { _ = try await provisioner.resume(parent) } == .wrongState)
    }

    @Test("a resumed container that the row has outgrown is made anew")
    func resumeDrifted() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await online(world, provisioner)
        _ = try await provisioner.pause(id)
        var change = WorkspaceChange()
        change.tier = 1
        _ = try await provisioner.update(id, change, byAgent: false)
        world.clock.advance(by: .seconds(1))
        _ = try await provisioner.resume(id)
        await provisioner.idle()
        #expect(try world.onlyBox(of: id).facts.generation == 2 && world.onlyBox(of: id).facts.labels[WorkspaceLabels.tier] == "1")
    }

    @Test("a stop that fails is told, and the reconciler goes on with it")
    func stopFails() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await online(world, provisioner)
        world.engine.faults.on("stop", .fail(BackendError.full))
        let report = try await provisioner.pause(id)
        #expect(report.failures.map(\.id) == [id] && report.failures.map(\.code) == [.diskFull])
        #expect(try world.row(id).status == .paused && state(world, id) == .running)
        await world.loop(provisioner).fullPass()
        #expect(try state(world, id) == .exited)
    }

    @Test("a pause gets through while a provision hangs, and nothing of it runs afterwards")
    func pauseDuringProvision() async throws {
        let world = try World(image: nil)
        world.engine.offerForPull(World.image)
        world.engine.faults.on("pull", .hangBefore)
        let provisioner = world.provisioner()
        let id = try await provisioner.create(world.request()).workspace.id
        await world.engine.faults.waitUntilHung()
        _ = try await provisioner.pause(id)
        await provisioner.idle()
        #expect(try world.row(id).status == .paused && world.engine.boxes(of: id).isEmpty)
        world.engine.faults.clear()
        _ = try await provisioner.resume(id)
        await provisioner.idle()
        #expect(try state(world, id) == .running)
    }

    @Test("hibernation refuses a busy agent unless forced, and a message wakes the same container")
    func hibernate() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await online(world, provisioner)
        provisioner.workBegan(on: id)
        #expect(await code { _ = try await provisioner.hibernate(id, force: false) } == .tasksActive)
        provisioner.workEnded(on: id)
        #expect(try await provisioner.hibernate(id, force: false).failures.isEmpty)
        #expect(try world.row(id).status == .hibernated && state(world, id) == .exited)
        #expect(world.kinds(id).contains(.hibernated))
        #expect(await code { _ = try await provisioner.hibernate(id, force: false) } == .wrongState)
        let container = try world.onlyBox(of: id).facts.id
        world.clock.advance(by: .seconds(5))
        await provisioner.wake(id)
        await provisioner.wake(id)
        await provisioner.idle()
        #expect(try state(world, id) == .running && world.onlyBox(of: id).facts.id == container)
        _ = try await world.beat(id, token: world.token(of: id)).get()
        #expect(try world.row(id).status == .online)
    }

    @Test("an idle workspace hibernates by itself, and a message that slipped in keeps it awake")
    func idle() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await online(world, provisioner)
        let since = try world.row(id).createdAt
        provisioner.workBegan(on: id)
        await provisioner.carryOut(.hibernate(id, generation: 1, idleSince: since))
        await provisioner.idle()
        #expect(try world.row(id).status == .online)
        provisioner.workEnded(on: id)
        while try world.row(id).lastWorkAt == nil { await Task.yield() }
        world.clock.advance(by: .seconds(1))
        await provisioner.carryOut(.hibernate(id, generation: 1, idleSince: world.clock.now()))
        await provisioner.idle()
        #expect(try world.row(id).status == .hibernated)
    }

    @Test("a container that ends is started again, and the operation says why")
    func startAgain() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await online(world, provisioner)
        let container = try world.onlyBox(of: id).facts.id
        world.engine.kill(container, exitCode: 137)
        await world.loop(provisioner).fullPass()
        await provisioner.idle()
        #expect(try world.row(id).status == .offline && state(world, id) == .running && world.onlyBox(of: id).facts.id == container)
        let operation = try #require(try await world.records.operations(of: id, limit: 1).first)
        #expect(operation.kind == .recover && operation.reason == "its container ended with exit code 137")
    }

    @Test("a container that the engine will not start again is made anew, with the data it had")
    func stuck() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await online(world, provisioner)
        let volumes = world.engine.volumeNames
        world.engine.kill(try world.onlyBox(of: id).facts.id, exitCode: 137)
        world.engine.faults.on("start", nth: 2, .fail(BackendError(.failed, .startFailed, "task already exists")))
        await world.loop(provisioner).fullPass()
        await provisioner.idle()
        #expect(try world.onlyBox(of: id).facts.generation == 2 && state(world, id) == .running && world.engine.volumeNames == volumes)
    }

    @Test("a crash loop ends: the container is kept, stopped, with its cause and its last lines, until somebody restarts it")
    func crashLoop() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await online(world, provisioner)
        let container = try world.onlyBox(of: id).facts
        world.engine.write("out of ideas\n", to: container.id)
        await provisioner.carryOut(.failCrashLoop(id, generation: 1, container: container, code: .crashLoop, message: "6 times"))
        let row = try world.row(id)
        #expect(row.condition == WorkspaceCondition(.failed, .crashLoop) && row.failure?.logTail == "out of ideas\n")
        #expect(try state(world, id) == .exited)
        let late = try await world.beat(id, token: world.token(of: id)).get()
        #expect(late.condition == WorkspaceCondition(.failed, .crashLoop))
        _ = try await provisioner.restart(id, RestartOptions())
        await provisioner.idle()
        #expect(try state(world, id) == .running && world.row(id).failure == nil)
    }

    @Test("an action decided on an earlier generation changes nothing")
    func staleAction() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await online(world, provisioner)
        let container = try world.onlyBox(of: id).facts
        _ = try await provisioner.restart(id, RestartOptions())
        await provisioner.idle()
        let before = try world.onlyBox(of: id)
        for action in [
            ReconcileAction.markOffline(id, generation: 1, reason: "old"),
            .startAgain(id, generation: 1, container: container.id, reason: "old"),
            .recreate(id, generation: 1, reason: "old"), .restartSilent(id, generation: 1, container: container.id, reason: "old"),
            .failCrashLoop(id, generation: 1, container: container, code: .crashLoop, message: "old"), .stopContainers(id, reason: "old"),
            .finishHibernation(id), .teardown(id, reason: "old"),
        ] { await provisioner.carryOut(action) }
        await provisioner.idle()
        #expect(try world.onlyBox(of: id).facts == before.facts && world.row(id).status == .provisioning)
    }

    @Test("cancelling a provision fails the row, removes what was made, and says so")
    func cancel() async throws {
        let world = try World(image: nil)
        world.engine.offerForPull(World.image)
        world.engine.faults.on("pull", .hangBefore)
        let provisioner = world.provisioner()
        let id = try await provisioner.create(world.request()).workspace.id
        await world.engine.faults.waitUntilHung()
        let row = try await provisioner.cancel(id)
        #expect(row.failure?.code == .provisionCancelled)
        await provisioner.idle()
        world.expectNothingLeft(of: id)
        #expect(try await world.records.operations(of: id, limit: 1).first?.state == .cancelled)
        #expect(await code { _ = try await provisioner.cancel(id) } == .wrongState)
    }

    @Test("whoever waits for a slot is told where in the line it stands")
    func queue() async throws {
        var settings = ProvisionSettings()
        settings.maxConcurrentProvisions = 1
        let world = try World(settings: settings, image: nil)
        world.engine.offerForPull(World.image)
        world.engine.faults.on("pull", .hangBefore)
        let provisioner = world.provisioner()
        let heard = world.hub.subscribe(to: nil)
        _ = try await provisioner.create(world.request("first"))
        await world.engine.faults.waitUntilHung()
        let second = try await provisioner.create(world.request("second")).workspace.id
        while provisioner.queuePosition(of: second) == nil { await Task.yield() }
        let third = try await provisioner.create(world.request("third")).workspace.id
        while provisioner.queuePosition(of: third) == nil { await Task.yield() }
        #expect(provisioner.queuePosition(of: second) == 1 && provisioner.queuePosition(of: third) == 2)
        _ = try await provisioner.cancel(second)
        #expect(provisioner.queuePosition(of: third) == 1)
        for await delivery in heard {
            guard case .event(let event) = delivery, event.workspaceID == third, event.payload["phase"] == "queue" else { continue }
            if event.payload["position"] == 1 { break }
        }
        world.engine.faults.clear()
        world.engine.faults.release()
        await provisioner.idle()
    }

    @Test("a change is judged whole: one wrong field and nothing is written")
    func change() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await online(world, provisioner)
        var change = WorkspaceChange()
        change.name = "Bea"
        change.tier = 9
        #expect(await code { _ = try await provisioner.update(id, change, byAgent: false) } == .tierNotAllowed)
        #expect(try world.row(id).name == "Ada")
        change.tier = nil
        change.hibernationIdleMinutes = .some(30)
        let refused = await #expect(throws: Failure.self) { _ = try await provisioner.update(id, change, byAgent: true) }
        #expect(refused?.code == .fieldForbidden && refused?.details["fields"]?.array?.isEmpty == false)
        let changed = try await provisioner.update(id, change, byAgent: false)
        #expect(changed.name == "Bea" && changed.hibernationIdleMinutes == 30)
        var cycle = WorkspaceChange()
        cycle.parentID = .some(id)
        #expect(await code { _ = try await provisioner.update(id, cycle, byAgent: false) } == .parentCycle)
    }

    @Test("a boot that somebody calls failed is failed while it lasts, and recovers when its agent comes after all")
    func bootstrap() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await world.provisioned(provisioner)
        #expect(try await provisioner.bootstrapFailed(id, error: "no key", logTail: "line"))
        #expect(try world.row(id).failure?.code == .bootstrapFailed && world.row(id).failure?.logTail == "line")
        #expect(try await !provisioner.bootstrapFailed(id, error: "again", logTail: ""))
        _ = try await world.beat(id, token: world.token(of: id)).get()
        #expect(try world.row(id).status == .online && world.row(id).failure == nil)
    }

    @Test("what somebody says of a failed boot holds none of the workspace's secrets")
    func bootstrapSecrets() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        var request = world.request("a")
        request.secrets = ["API_KEY": "s3cret-value"]
        request.secretFiles = ["key.pem": "in-a-file"]
        let id = try await world.provisioned(provisioner, request)
        _ = try await provisioner.bootstrapFailed(id, error: "bad key s3cret-value", logTail: "cat: in-a-file\nline")
        #expect(try world.row(id).failure?.message == "bad key [hidden]" && world.row(id).failure?.logTail == "cat: [hidden]\nline")
        let told = world.records.history(of: id).map { JSONValue.object($0.payload).text }.joined()
        #expect(!told.contains("s3cret") && !told.contains("in-a-file") && told.contains("[hidden]"))
    }
}
