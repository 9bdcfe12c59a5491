import Model
import Provisioner
import Sweeper
import TestSupport
import Testing

@Suite("Another image tried on a workspace, and on a canary")
struct ImageTrialTests {
    private static let next = ImageVersion(id: "id-sha256:new", digest: "sha256:new")

    private func online(_ world: World, _ provisioner: WorkspaceProvisioner) async throws -> WorkspaceID {
        let id = try await world.provisioned(provisioner)
        _ = try await world.beat(id, token: world.token(of: id)).get()
        try await world.engine.pull("berth/workspace-echo@sha256:new") { _ in }
        return id
    }

    /// Waits until the trial has nothing to do but wait for its agent.
    private func awaiting(_ world: World) async {
        while world.clock.sleeperCount == 0 { await Task.yield() }
    }

    private func started(_ world: World) async {
        while !world.engine.boxes.contains(where: { $0.facts.state == .running }) { await Task.yield() }
    }

    private func running(_ world: World, _ id: WorkspaceID) throws -> FakeEngine.Box {
        try #require(world.engine.boxes(of: id).first { $0.facts.state == .running })
    }

    private func beat(_ world: World, _ id: WorkspaceID) async throws {
        let file = try #require(try running(world, id).files["/configs/.auth_token"])
        _ = try await world.beat(id, token: String(decoding: file.bytes, as: UTF8.self)).get()
    }

    /// Lets time go by until `work` ends.
    private func passing<Value: Sendable>(_ world: World, _ work: Task<Value, any Error>) async throws -> Value {
        let ticker = Task {
            while !Task.isCancelled {
                if world.clock.sleeperCount > 0 { world.clock.advance(by: .milliseconds(250)) }
                await Task.yield()
            }
        }
        defer { ticker.cancel() }
        return try await work.value
    }

    @Test("the new container takes over when its agent has come, and the former one goes")
    func replaced() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await online(world, provisioner)
        let former = try world.onlyBox(of: id)
        let volumes = world.engine.volumeNames
        let trial = Task { try await provisioner.replaceContainer(of: id, with: Self.next, limit: .seconds(60)) }
        await awaiting(world)
        #expect(world.engine.boxes(of: id).count == 2, "the former one is kept")
        #expect(world.engine.boxes(of: id).first { $0.facts.id == former.facts.id }?.facts.state == .exited)
        #expect(try running(world, id).facts.name == former.facts.name)
        #expect(try world.row(id).kept == KeptContainer(id: former.facts.id, generation: 1))
        try await beat(world, id)
        #expect(try await passing(world, trial) == .replaced)
        let now = try world.onlyBox(of: id)
        #expect(now.facts.imageID == Self.next.id && now.facts.id != former.facts.id)
        #expect(world.engine.volumeNames == volumes)
        #expect(try world.row(id).kept == nil)
        #expect(try world.row(id).imageVersion == Self.next)
        #expect(try world.row(id).generation == 2 && world.row(id).status == .online)
        #expect(try await world.records.operations(of: id, limit: 1).map(\.kind) == [.refresh])
    }

    @Test("a new container that ends, or whose agent does not come, gives way to the former one", arguments: [true, false])
    func putBack(_ ends: Bool) async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await online(world, provisioner)
        let former = try world.onlyBox(of: id)
        if ends { world.engine.behave(.exit(code: 3, restarts: false), image: Self.next.id) }
        let trial = Task { try await provisioner.replaceContainer(of: id, with: Self.next, limit: .seconds(60)) }
        let outcome = try await passing(world, trial)
        guard case .putBack(let failure) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(failure.code == (ends ? .containerExited : .registerTimeout))
        let now = try world.onlyBox(of: id)
        #expect((now.facts.id, now.facts.name, now.facts.state) == (former.facts.id, former.facts.name, .running))
        let row = try world.row(id)
        #expect((row.generation, row.containerID, row.kept, row.status) == (1, former.facts.id, nil, .provisioning))
        try await beat(world, id)
        #expect(try world.row(id).status == .online, "with the token that was put into it")
        #expect(world.records.liveTokens(of: id) == 1)
    }

    @Test("an agent that registers and has no card has not proved itself")
    func noCard() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await online(world, provisioner)
        world.cards.hide()
        let trial = Task { try await provisioner.replaceContainer(of: id, with: Self.next, limit: .seconds(60)) }
        await awaiting(world)
        try await beat(world, id)
        guard case .putBack(let failure) = try await passing(world, trial) else {
            Issue.record("it was not put back")
            return
        }
        #expect(failure.code == .registerTimeout)
    }

    @Test("what is at work, rests, or runs the version already is left alone")
    func skipped() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await online(world, provisioner)
        let before = try world.onlyBox(of: id).facts
        provisioner.workBegan(on: id)
        #expect(try await provisioner.replaceContainer(of: id, with: Self.next, limit: .seconds(1)) == .skipped("it is at work"))
        provisioner.workEnded(on: id)
        let same = ImageVersion(id: before.imageID, digest: nil)
        #expect(try await provisioner.replaceContainer(of: id, with: same, limit: .seconds(1)) == .skipped("it is on this version already"))
        _ = try await provisioner.pause(id)
        #expect(try await provisioner.replaceContainer(of: id, with: Self.next, limit: .seconds(1)) == .skipped("it does not run now"))
        #expect(try world.onlyBox(of: id).facts.id == before.id)
    }

    @Test("a daemon that ends in the middle of a trial puts the former container back at its next start")
    func interrupted() async throws {
        let world = try World()
        let first = world.provisioner()
        let id = try await online(world, first)
        let former = try world.onlyBox(of: id)
        let trial = Task { try await first.replaceContainer(of: id, with: Self.next, limit: .seconds(60)) }
        await awaiting(world)
        await first.cancelAll()
        #expect(await code { _ = try await trial.value } == .shuttingDown)
        #expect(world.engine.boxes(of: id).count == 2, "a stop decides nothing")
        _ = await world.boot()
        let now = try world.onlyBox(of: id)
        #expect((now.facts.id, now.facts.state) == (former.facts.id, .running))
        try await beat(world, id)
        #expect(try world.row(id).status == .online && world.row(id).kept == nil)
    }

    @Test("an agent that came while nobody watched keeps its new container")
    func cameUnwatched() async throws {
        let world = try World()
        let first = world.provisioner()
        let id = try await online(world, first)
        let former = try world.onlyBox(of: id)
        let trial = Task { try await first.replaceContainer(of: id, with: Self.next, limit: .seconds(60)) }
        await awaiting(world)
        await first.cancelAll()
        _ = try? await trial.value
        try await beat(world, id)
        _ = await world.boot()
        #expect(try world.onlyBox(of: id).facts.id != former.facts.id)
        #expect(try world.row(id).kept == nil && world.row(id).generation == 2)
    }

    @Test("an engine that goes away in the middle is not the image's fault, and the former container comes back with it")
    func engineGoesAway() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await online(world, provisioner)
        let former = try world.onlyBox(of: id).facts.id
        world.engine.faults.on("copy", nth: world.engine.faults.count(of: "copy") + 1, .fail(BackendError.down))
        let failure = await code { _ = try await provisioner.replaceContainer(of: id, with: Self.next, limit: .seconds(60)) }
        #expect(failure == .engineUnavailable)
        _ = await world.boot()
        #expect(try world.onlyBox(of: id).facts.id == former)
        try await beat(world, id)
        #expect(try world.row(id).status == .online && world.row(id).kept == nil)
    }

    @Test("a pause in the middle of a trial leaves the former container alone, at rest, and a resume starts it")
    func paused() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await online(world, provisioner)
        let former = try world.onlyBox(of: id).facts.id
        let trial = Task { try await provisioner.replaceContainer(of: id, with: Self.next, limit: .seconds(60)) }
        await awaiting(world)
        _ = try await provisioner.pause(id)
        await #expect(throws: CancellationError.self) { try await trial.value }
        await provisioner.idle()
        let loop = world.loop(provisioner)
        await loop.fullPass()
        await provisioner.idle()
        let resting = try world.onlyBox(of: id).facts
        #expect((resting.id, resting.state) == (former, .exited))
        #expect(try world.row(id).status == .paused && world.row(id).kept == nil && world.row(id).generation == 1)
        _ = try await provisioner.resume(id)
        await provisioner.idle()
        #expect(try world.onlyBox(of: id).facts.state == .running && world.onlyBox(of: id).facts.id == former)
        try await beat(world, id)
        #expect(try world.row(id).status == .online)
    }

    @Test("a restart in the middle of a trial wins: one container, of the newest generation")
    func restarted() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await online(world, provisioner)
        let trial = Task { try await provisioner.replaceContainer(of: id, with: Self.next, limit: .seconds(60)) }
        await awaiting(world)
        _ = try await provisioner.restart(id, RestartOptions())
        await #expect(throws: CancellationError.self) { try await trial.value }
        await provisioner.idle()
        let next = await world.boot()
        await next.idle()
        #expect(try world.onlyBox(of: id).facts.generation == 3)
        try await beat(world, id)
        #expect(try world.row(id).status == .online && world.row(id).kept == nil)
    }

    @Test("a workspace whose template is gone is left alone, and the image is not to blame")
    func templateGone() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await online(world, provisioner)
        let before = try world.onlyBox(of: id).facts.id
        world.templates.set(TemplateCatalog())
        let outcome = try await provisioner.replaceContainer(of: id, with: Self.next, limit: .seconds(1))
        guard case .skipped = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(try world.onlyBox(of: id).facts.id == before && world.row(id).status == .online)
    }

    @Test("a delete in the middle of a trial takes both containers")
    func deleted() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await online(world, provisioner)
        let trial = Task { try await provisioner.replaceContainer(of: id, with: Self.next, limit: .seconds(60)) }
        await awaiting(world)
        _ = try await provisioner.delete(id, confirmed: true)
        await #expect(throws: CancellationError.self) { try await trial.value }
        world.expectNothingLeft(of: id)
    }

    @Test(
        "a crash at any call of a trial ends with one container that runs and is heard", arguments: [true, false], [true, false])
    func crashes(_ atEngine: Bool, _ before: Bool) async throws {
        var visited: [String] = []
        for number in 1... {
            let world = try World()
            let first = world.provisioner()
            let id = try await online(world, first)
            let faults = atEngine ? world.engine.faults : world.records.faults
            let base = faults.calls.count
            faults.at(call: base + number, before ? .hangBefore : .hangAfter)
            let trial = Task { try await first.replaceContainer(of: id, with: Self.next, limit: .seconds(60)) }
            while faults.everHung == 0, world.clock.sleeperCount == 0 { await Task.yield() }
            guard faults.everHung > 0 else {
                trial.cancel()
                break
            }
            let name = faults.calls[base + number - 1]
            visited.append(name)
            faults.release()
            await first.cancelAll()
            _ = try? await trial.value
            faults.clear()
            _ = await world.boot()
            _ = await world.boot()
            let box = try world.onlyBox(of: id)
            #expect(box.facts.state == .running, "\(name), call \(number)")
            #expect(box.facts.name == "ws-\(id.prefix12)", "\(name), call \(number)")
            try await beat(world, id)
            #expect(try world.row(id).status == .online && world.row(id).kept == nil, "\(name), call \(number)")
        }
        #expect(
            Set(visited).isSuperset(
                of: atEngine ? ["rename", "createContainer", "stop", "copy", "start"] : ["beginTrial", "recordContainer"]))
    }

    @Test("a trial that somebody cancels ends with the former container")
    func cancelled() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await online(world, provisioner)
        let former = try world.onlyBox(of: id)
        let trial = Task { try await provisioner.replaceContainer(of: id, with: Self.next, limit: .seconds(60)) }
        await awaiting(world)
        #expect(try await provisioner.cancel(id).status == .provisioning)
        await #expect(throws: CancellationError.self) { try await trial.value }
        await provisioner.idle()
        let box = try world.onlyBox(of: id)
        #expect((box.facts.id, box.facts.name, box.facts.state) == (former.facts.id, former.facts.name, .running))
        try await beat(world, id)
        #expect(try world.row(id).status == .online && world.row(id).kept == nil)
    }

    @Test("an engine that goes away under a canary, and a template that cannot be made, say nothing about the image")
    func innocentCanary() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        world.engine.faults.on("createContainer", .fail(BackendError.down))
        let away = await #expect(throws: BackendError.self) {
            try await provisioner.prove(image: World.image, template: World.echo, limit: .seconds(60))
        }
        #expect(away?.isAboutTheHost == true)
        world.engine.faults.clear()
        var template = World.echo
        template.tier = 3
        let strict = try World(templates: FakeTemplates([template]))
        #expect(
            await code { try await strict.provisioner().prove(image: World.image, template: template, limit: .seconds(60)) }
                == .imageUnproven)
        #expect(strict.engine.boxes.isEmpty && strict.records.rows.allSatisfy { $0.status == .removed })
    }

    @Test("a canary registers, answers its card, and leaves nothing")
    func canary() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let proof = Task { try await provisioner.prove(image: World.image, template: World.echo, limit: .seconds(60)) }
        await started(world)
        let row = try #require(world.records.rows.first)
        #expect(row.isCanary)
        try await beat(world, row.id)
        try await passing(world, proof)
        #expect(try world.row(row.id).status == .removed)
        world.expectNothingLeft(of: row.id)
    }

    @Test("a canary that ends, or does not come, says why and leaves nothing", arguments: [true, false])
    func deadCanary(_ ends: Bool) async throws {
        let world = try World()
        let provisioner = world.provisioner()
        if ends { world.engine.behave(.exit(code: 5, restarts: false), image: World.image) }
        let proof = Task { try await provisioner.prove(image: World.image, template: World.echo, limit: .seconds(60)) }
        if !ends {
            await started(world)
            world.engine.write("no key\nbye\n", to: try #require(world.engine.boxes.first).facts.id)
        }
        let failure = await #expect(throws: Failure.self) { try await passing(world, proof) }
        #expect(failure?.code == (ends ? .containerExited : .registerTimeout))
        #expect(ends || failure?.message.hasSuffix("; its last line: bye") == true, "\(failure?.message ?? "")")
        let row = try #require(world.records.rows.first)
        await provisioner.idle()
        world.expectNothingLeft(of: row.id)
    }

    @Test("a canary that nobody watches any more is removed at the next start")
    func forgottenCanary() async throws {
        let world = try World()
        let first = world.provisioner()
        let proof = Task { try await first.prove(image: World.image, template: World.echo, limit: .seconds(60)) }
        await started(world)
        let id = try #require(world.records.rows.first).id
        world.records.faults.on("markRemoved", nth: 0, .fail(StoreError.unavailable))
        proof.cancel()
        _ = try? await proof.value
        world.records.faults.clear()
        #expect(!world.engine.boxes(of: id).isEmpty)
        _ = await world.boot()
        world.expectNothingLeft(of: id)
    }
}
