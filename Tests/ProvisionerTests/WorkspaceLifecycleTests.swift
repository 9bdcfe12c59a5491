import Events
import Model
import Provisioner
import Sweeper
import TestSupport
import Testing

/// `docs/flows/create-workspace.md`, sentence by sentence.
@Suite("From a request to a talking agent")
struct WorkspaceLifecycleTests {
    @Test("1. the request is judged before anything is written")
    func judged() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        #expect(await code { _ = try await provisioner.create(CreateWorkspace(name: "a > b")) } == .invalidField)
        #expect(world.records.rows.isEmpty)
        #expect(world.engine.faults.calls.isEmpty)
    }

    @Test("2. the row is committed before the engine hears of it")
    func committedFirst() async throws {
        let world = try World()
        world.engine.faults.on("ensureNetwork", .hangBefore)
        let provisioner = world.provisioner()
        var request = world.request()
        request.secrets = ["KEY": "value"]
        let created = try await provisioner.create(request)
        await world.engine.faults.waitUntilHung()
        let row = try world.row(created.workspace.id)
        #expect(row.status == .provisioning && row.generation == 1 && row.containerID == nil)
        #expect(world.records.liveTokens(of: row.id) == 1)
        let first = try #require(world.records.history(of: row.id).first)
        #expect(first.kind == .provisioning && first.payload == ["name": "Ada", "tier": 2, "runtime": "echo"])
        #expect(try await world.records.secrets(of: row.id).environment == ["KEY": "value"])
        await provisioner.cancelAll()
    }

    @Test("2. a store that does not answer refuses the create, and the engine is never asked")
    func storeDown() async throws {
        let world = try World()
        world.records.faults.on("insert", .fail(StoreError.unavailable))
        let provisioner = world.provisioner()
        #expect(await code { _ = try await provisioner.create(world.request()) } == .platformUnavailable)
        await provisioner.idle()
        #expect(world.engine.faults.calls.isEmpty)
    }

    @Test("3. the caller has its answer at once, and no more provisions run than are allowed")
    func background() async throws {
        let world = try World()
        world.engine.faults.on("ensureNetwork", nth: 0, .hangBefore)
        let provisioner = world.provisioner()
        for number in 1...6 { _ = try await provisioner.create(world.request("W\(number)")) }
        await world.engine.faults.waitUntilHung(4)
        #expect(provisioner.inFlight().count == 6)
        #expect(world.engine.faults.count(of: "ensureNetwork") == 4)
        await provisioner.cancelAll()
        #expect(provisioner.inFlight().isEmpty)
        #expect(world.engine.faults.count(of: "ensureNetwork") == 4)
        #expect(world.records.rows.allSatisfy { $0.status == .provisioning })
    }

    @Test("4. missing environment fails the row and asks the engine for nothing but what is left to remove")
    func environmentMissing() async throws {
        var template = World.echo
        template.requiredEnv = ["ONE", "TWO", "THREE"]
        let world = try World(templates: FakeTemplates([template]))
        let provisioner = world.provisioner()
        var request = world.request()
        request.secrets = ["ONE": "1"]
        request.secretFiles = ["TWO": "2"]
        let id = try await world.provisioned(provisioner, request)
        let row = try world.row(id)
        #expect(row.condition == WorkspaceCondition(.failed, .provision))
        #expect(row.failure?.code == .envMissing)
        #expect(row.failure?.message == "required environment is missing: \"THREE\"")
        #expect(world.engine.faults.count(of: "ensureNetwork") == 0)
        #expect(!row.pendingCleanup)
    }

    @Test("5. an engine that does not answer fails the row and says so; the cleanup waits for it")
    func engineDown() async throws {
        let world = try World()
        for call in ["ensureNetwork", "containersOf", "volumesOf"] { world.engine.faults.on(call, nth: 0, .fail(BackendError.down)) }
        let provisioner = world.provisioner()
        let id = try await world.provisioned(provisioner)
        #expect(try world.row(id).failure?.code == .engineUnavailable)
        #expect(try world.row(id).pendingCleanup)
        world.engine.faults.clear()
        await world.loop(provisioner).fullPass()
        #expect(try !world.row(id).pendingCleanup)
    }

    @Test("6. a missing image is pulled, and its progress is shown live and stored nowhere")
    func pulled() async throws {
        let world = try World(image: nil)
        world.engine.offerForPull(World.image)
        var seen = world.hub.subscribe(to: nil).makeAsyncIterator()
        let provisioner = world.provisioner()
        let id = try await world.provisioned(provisioner)
        #expect(try world.onlyBox(of: id).facts.state == .running)
        var progress: WorkspaceEvent?
        while progress == nil, case .event(let event) = await seen.next() { if event.sequence == nil { progress = event } }
        #expect(progress?.kind == .provisionProgress)
        #expect(progress?.payload["done_bytes"]?.int == 1 && progress?.payload["total_bytes"]?.int == 2)
        #expect(!world.phases(id).contains("image progress"))
    }

    @Test("6. an image that no registry has fails the row before anything is made")
    func imageMissing() async throws {
        let world = try World(image: nil)
        let id = try await world.provisioned(world.provisioner())
        #expect(try world.row(id).failure?.code == .imageNotFound)
        #expect(world.engine.faults.count(of: "createVolume") == 0)
    }

    @Test("7. volumes carry the labels of their owner")
    func volumes() async throws {
        let world = try World()
        let id = try await world.provisioned(world.provisioner())
        #expect(world.engine.volumeNames == ["ws-\(id.prefix12)-configs", "ws-\(id)-workspace"].sorted())
        #expect(try await world.engine.volumes(of: id).count == 2)
    }

    @Test("8. the container carries labels, limits and the way to this daemon")
    func container() async throws {
        let world = try World()
        let id = try await world.provisioned(world.provisioner())
        let box = try world.onlyBox(of: id)
        let labels = try #require(WorkspaceLabels(box.facts.labels, of: world.engine.instance))
        #expect(box.facts.name == "ws-\(id.prefix12)")
        #expect(labels.workspace == id && labels.generationNumber == 1 && labels.runtimeName == "echo" && labels.templateID == "echo")
        #expect(box.spec.memoryBytes == 512 << 20 && box.spec.nanoCPUs == 1_000_000_000 && box.spec.pidsLimit == 1024)
        #expect(box.spec.noNewPrivileges && box.spec.keptCapabilities == TierPolicy.keptCapabilities && !box.spec.privileged)
        #expect(box.spec.extraHosts == ["host.docker.internal": "172.30.0.1"])
        #expect(box.spec.environment.contains(EnvironmentVariable("PLATFORM_URL", "http://host.docker.internal:8081")))
        #expect(try world.row(id).containerID == box.facts.id)
    }

    @Test("8. a foreign container of the same name stays, and the row fails with name_conflict")
    func foreignName() async throws {
        let world = try World()
        // The id the same seed will give.
        let coming = WorkspaceID(random: SeededRandom(seed: 7))
        world.engine.addForeign(name: "ws-\(coming.prefix12)")
        let id = try await world.provisioned(world.provisioner())
        try #require(id == coming)
        #expect(try world.row(id).failure?.code == .nameConflict)
        #expect(world.engine.boxes.map(\.facts.name) == ["ws-\(id.prefix12)"])
        #expect(world.engine.volumeNames.isEmpty)
    }

    @Test("8. a container whose creation was never confirmed is found by its labels, and another takes its place when the engine is back")
    func lostReply() async throws {
        let world = try World()
        world.engine.faults.on("createContainer", .loseReply(BackendError.down))
        let id = try await world.provisioned(world.provisioner())
        #expect(try world.row(id).status == .provisioning)
        let lost = try world.onlyBox(of: id).facts.id
        _ = await world.boot()
        #expect(try world.onlyBox(of: id).facts.id != lost)
        #expect(try world.onlyBox(of: id).facts.generation == world.row(id).generation)
    }

    @Test("9. files, token and secret files are in the container before it runs")
    func copiedBeforeStart() async throws {
        let files = [ContainerFile(path: "prompts/system.md", bytes: [1]), ContainerFile(path: ".auth_token", bytes: [9])]
        let world = try World(templates: FakeTemplates([World.echo], files: ["echo": files]))
        world.engine.faults.on("start", .hangBefore)
        let provisioner = world.provisioner()
        var request = world.request()
        request.secretFiles = ["netrc": "machine x"]
        let id = try await provisioner.create(request).workspace.id
        await world.engine.faults.waitUntilHung()
        let box = try world.onlyBox(of: id)
        #expect(!box.everStarted)
        #expect(box.files["/configs/prompts/system.md"]?.bytes == [1])
        #expect(box.files["/configs/.auth_token"].map { String(decoding: $0.bytes, as: UTF8.self) } == "token-1")
        #expect(box.files["/configs/.auth_token"]?.mode == 0o600)
        #expect(box.files["/configs/.secrets/netrc"]?.mode == 0o600)
        #expect(box.files["/configs/config.yaml"] != nil)
        #expect(!box.spec.environment.contains { $0.value.contains("machine x") || $0.value.contains("token-1") })
        world.engine.faults.release()
        await provisioner.cancelAll()
    }

    @Test("9. a full disk while copying removes container and volumes")
    func diskFull() async throws {
        let world = try World()
        world.engine.faults.on("copy", .fail(BackendError.full))
        let id = try await world.provisioned(world.provisioner())
        #expect(try world.row(id).failure?.code == .diskFull)
        world.expectNothingLeft(of: id)
    }

    @Test("10. the started container's address is stored, and each step was reported in order")
    func started() async throws {
        let world = try World()
        let id = try await world.provisioned(world.provisioner())
        #expect(try world.row(id).url == world.onlyBox(of: id).facts.agentURL)
        let steps = ["network", "image", "volumes", "create", "copy", "start"].flatMap { ["\($0) started", "\($0) done"] }
        #expect(world.phases(id) == steps + ["agent started"])
        #expect(world.records.history(of: id).compactMap(\.sequence) == Array(1...Int64(steps.count + 2)))
    }

    @Test("10. a start that fails records exit code and log before anything is removed")
    func startFails() async throws {
        let world = try World()
        world.engine.faults.on("start", .fail(BackendError(.refused, .commandNotFound, "the image's command is not in it")))
        world.engine.faults.on("logs", .hangBefore)
        let provisioner = world.provisioner()
        let id = try await provisioner.create(world.request()).workspace.id
        await world.engine.faults.waitUntilHung()
        // The log is being read: the container is still there, and the failure is not yet told.
        #expect(world.engine.boxes(of: id).count == 1)
        #expect(try world.row(id).status == .provisioning)
        world.engine.faults.release()
        await provisioner.idle()
        #expect(try world.row(id).failure?.code == .commandNotFound)
        world.expectNothingLeft(of: id)
    }

    @Test("11. the first beat with this generation's token brings the row online; an earlier one changes nothing")
    func online() async throws {
        let world = try World()
        let id = try await world.provisioned(world.provisioner())
        #expect(try world.row(id).status == .provisioning)
        let token = try world.token(of: id)
        #expect(try await world.beat(id, token: token + "x") == .failure(.tokenInvalid))
        _ = try await world.beat(id, token: token)
        #expect(try world.row(id).status == .online)
        #expect(world.kinds(id).last == .online)
    }

    @Test("12. a container that ends before its agent came fails the row at once, with exit code and log")
    func exits() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let loop = Task { [loop = world.loop(provisioner)] in await loop.run() }
        let id = try await world.provisioned(provisioner)
        while world.engine.watcherCount == 0 { await Task.yield() }
        let box = try world.onlyBox(of: id)
        world.engine.write("cannot import agent\n", to: box.facts.id, .error)
        world.engine.kill(box.facts.id, exitCode: 3, restarts: true)
        while try world.row(id).pendingCleanup || world.row(id).status != .failed { await Task.yield() }
        let failure = try #require(try world.row(id).failure)
        #expect(failure.code == .containerExited && failure.exitCode == 3 && failure.logTail == "cannot import agent\n")
        #expect(failure.message == "the container ended with exit code 3 before its agent registered")
        world.expectNothingLeft(of: id)
        loop.cancel()
        await loop.value
    }

    @Test("12. a container that the engine has started again still tells how it ended")
    func restartedAlready() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await world.provisioned(provisioner)
        let container = try world.onlyBox(of: id).facts.id
        world.engine.kill(container, exitCode: 127, restarts: true)
        world.engine.restart(container)
        await world.loop(provisioner).fullPass()
        #expect(try world.row(id).failure?.exitCode == 127)
        world.expectNothingLeft(of: id)
    }

    @Test("12. a container that ends within its start fails the provision itself")
    func exitsAtOnce() async throws {
        let world = try World()
        world.engine.behave(.exhaustMemory, image: World.image)
        let id = try await world.provisioned(world.provisioner())
        #expect(try world.row(id).failure?.code == .outOfMemory)
        #expect(try world.row(id).failure?.exitCode == 137)
        world.expectNothingLeft(of: id)
    }

    @Test("13. an agent that does not come in time fails the row, the container stays, and a late agent recovers it")
    func registerTimeout() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await world.provisioned(provisioner)
        world.clock.advance(by: .seconds(599))
        await world.loop(provisioner).fullPass()
        #expect(try world.row(id).status == .provisioning)
        world.clock.advance(by: .seconds(1))
        await world.loop(provisioner).fullPass()
        #expect(try world.row(id).condition == WorkspaceCondition(.failed, .registerTimeout))
        #expect(try world.onlyBox(of: id).facts.state == .running)
        let event = try #require(world.records.history(of: id).last)
        #expect(event.payload["timeout_secs"]?.int == 600 && event.payload["source"]?.string == "provision_timeout_sweep")
        _ = try await world.beat(id, token: try world.token(of: id))
        #expect(try world.row(id).status == .online)
    }

    @Test("14. a daemon that dies after the container ran keeps it")
    func keepsRunning() async throws {
        let world = try World()
        world.engine.faults.on("start", .hangAfter)
        let first = world.provisioner()
        let id = try await first.create(world.request()).workspace.id
        await world.engine.faults.waitUntilHung()
        world.engine.faults.release()
        await first.cancelAll()
        let before = try world.onlyBox(of: id)
        _ = await world.boot()
        #expect(try world.onlyBox(of: id).facts.id == before.facts.id)
        #expect(try world.row(id).generation == 1)
        #expect(try world.row(id).url == before.facts.agentURL)
        #expect(world.phases(id).last == "agent started")
    }

    @Test("15. a delete in the middle stops the provision and removes what it made")
    func deletedInTheMiddle() async throws {
        let world = try World()
        world.engine.faults.on("copy", .hangBefore)
        let provisioner = world.provisioner()
        let id = try await provisioner.create(world.request()).workspace.id
        await world.engine.faults.waitUntilHung()
        let deletion = try await provisioner.delete(id, confirmed: false)
        #expect(deletion.removedIDs == [id] && deletion.failures.isEmpty)
        #expect(try world.row(id).status == .removed)
        #expect(!world.kinds(id).contains(.provisionFailed))
        world.expectNothingLeft(of: id)
    }
}
