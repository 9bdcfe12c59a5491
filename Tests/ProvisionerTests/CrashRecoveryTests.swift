import Model
import Provisioner
import TestSupport
import Testing

/// What is true after the daemon was killed, at every call it makes to the engine or to its records, before or after the call did its work.
@Suite("A daemon killed anywhere")
struct CrashRecoveryTests {
    enum Side: String, CaseIterable, Sendable { case before, after }

    /// Runs a create until its `number`th call to `script`, kills the daemon there, starts another. nil when there is no such call.
    private func crash(at number: Int, _ side: Side, of script: (World) -> FaultScript, image: String? = World.image) async throws -> World?
    {
        let world = try World(image: image)
        world.engine.offerForPull(World.image)
        let script = script(world)
        script.at(call: number, side == .before ? .hangBefore : .hangAfter)
        let first = world.provisioner()
        let creation = Task { try? await first.create(world.request()) }
        let hung = await hangs(
            script,
            or: {
                _ = await creation.value
                await first.idle()
            })
        await first.cancelAll()
        _ = await creation.value
        return hung ? world : nil
    }

    /// Whether a call hung before `end` returned. A hung call is let go.
    private func hangs(_ script: FaultScript, or end: @escaping @Sendable () async -> Void) async -> Bool {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await script.waitUntilHung()
                script.release()
            }
            group.addTask {
                await end()
                script.expectNoMoreHanging()
            }
        }
        return script.everHung > 0
    }

    /// One container, started, of the row's generation, with the token that is valid; the agent that reads it comes online.
    private func expectWhole(_ world: World, _ place: String) async throws {
        let rows = world.records.rows
        guard let row = rows.first else {
            #expect(world.engine.boxes.isEmpty, "\(place): no row, no container")
            return
        }
        #expect(rows.count == 1 && row.status == .provisioning && !row.pendingCleanup, "\(place): \(row.condition.key)")
        let boxes = world.engine.boxes
        try #require(boxes.count == 1, "\(place): \(boxes.count) containers")
        #expect(boxes[0].facts.state == .running && boxes[0].facts.generation == row.generation, "\(place)")
        #expect(row.containerID == boxes[0].facts.id && row.url == boxes[0].facts.agentURL, "\(place): written down")
        #expect(world.records.liveTokens(of: row.id) == 1, "\(place): one token")
        _ = try await world.beat(row.id, token: world.token(of: row.id))
        #expect(try world.row(row.id).status == .online, "\(place): the agent is accepted")
    }

    @Test("at any call to the engine: the next start ends with exactly one container and a truthful status", arguments: Side.allCases)
    func engineCalls(_ side: Side) async throws {
        var visited = 0
        for number in 1... {
            guard let world = try await crash(at: number, side, of: { $0.engine.faults }, image: nil) else { break }
            let name = world.engine.faults.calls[number - 1]
            world.engine.faults.clear()
            _ = await world.boot()
            try await expectWhole(world, "\(side.rawValue) engine call \(number), \(name)")
            visited += 1
        }
        #expect(visited >= 9, "network, image, pull, image, two volumes, list, create, copy, start, inspect: \(visited)")
    }

    @Test("at any call to its records: the next start ends with exactly one container and a truthful status", arguments: Side.allCases)
    func recordCalls(_ side: Side) async throws {
        var visited = 0
        for number in 1... {
            guard let world = try await crash(at: number, side, of: { $0.records.faults }) else { break }
            let name = world.records.faults.calls[number - 1]
            world.records.faults.clear()
            _ = await world.boot()
            try await expectWhole(world, "\(side.rawValue) record call \(number), \(name)")
            visited += 1
        }
        #expect(visited >= 12, "\(visited)")
    }

    @Test("while it clears away a failed provision: the next start finishes the clearing", arguments: Side.allCases)
    func whileFailing(_ side: Side) async throws {
        var visited = 0
        for number in 1... {
            let world = try World()
            world.engine.faults.on("start", .fail(BackendError.full))
            let script = world.engine.faults
            // The calls up to the failing start do their work.
            let offset = 8
            script.at(call: offset + number, side == .before ? .hangBefore : .hangAfter)
            let first = world.provisioner()
            _ = try await first.create(world.request())
            let hung = await hangs(script, or: { await first.idle() })
            await first.cancelAll()
            guard hung else { break }
            script.clear()
            _ = await world.boot()
            let row = try #require(world.records.rows.first)
            #expect([.failed, .provisioning].contains(row.status))
            #expect(!row.pendingCleanup)
            #expect(world.engine.boxes.count == (row.status == .failed ? 0 : 1))
            if row.status == .failed { #expect(world.engine.volumeNames.isEmpty) }
            visited += 1
        }
        #expect(visited >= 5, "\(visited)")
    }

    @Test("in the middle of a delete: the next start removes what is left", arguments: Side.allCases)
    func whileDeleting(_ side: Side) async throws {
        for call in ["containersOf", "removeContainer", "volumesOf", "removeVolume"] {
            let world = try World()
            let first = world.provisioner()
            let id = try await world.provisioned(first)
            let nth = world.engine.faults.count(of: call) + 1
            world.engine.faults.on(call, nth: nth, side == .before ? .hangBefore : .hangAfter)
            let deletion = Task { try? await first.delete(id, confirmed: true) }
            await world.engine.faults.waitUntilHung()
            world.engine.faults.release()
            _ = await deletion.value
            _ = await world.boot()
            #expect(try world.row(id).status == .removed)
            #expect(try !world.row(id).pendingCleanup, "\(call)")
            world.expectNothingLeft(of: id)
        }
    }
}
