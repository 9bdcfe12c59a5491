import Model
import Store
import TestSupport
import Testing

@Suite("What a workspace's life records, on both databases and in memory")
struct LifecycleRecordingTests {
    static let nobody = WorkspaceID("00000000-0000-4000-8000-000000000000").unsafelyUnwrapped

    @Test("a provision starts from the statuses it was asked for and from no other, and never from removed", arguments: RecordsKind.present)
    func startsFrom(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            for condition in WorkspaceCondition.all {
                let agent = try await fixture.workspace(condition)
                let before = try await fixture.row(agent)
                let others = Set(WorkspaceStatus.allCases).subtracting([condition.status])
                #expect(try await fixture.store.startProvision(of: agent.id, token: nil, from: others) == nil)
                #expect(try await fixture.row(agent) == before, "\(condition.key)")
                let started = try await fixture.store.startProvision(of: agent.id, token: nil, from: [condition.status])
                #expect(started?.status == (condition.status == .removed ? nil : .provisioning), "\(condition.key)")
            }
            #expect(try await fixture.store.startProvision(of: Self.nobody, token: nil, from: Set(WorkspaceStatus.allCases)) == nil)
        }
    }

    @Test("a provision that moves the row clears address and failure and reports itself", arguments: RecordsKind.present)
    func provisionMoves(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            let agent = try await fixture.workspace(.init(.online), name: "mover")
            try await fixture.store.recordAddress("http://127.0.0.1:1", for: agent.id, generation: 1)
            let failure = WorkspaceFailure(code: .crashLoop, message: "too often", at: fixture.clock.now())
            let event = LifecycleEvent.crashLooped(code: .crashLoop, message: "too often")
            let failed = try await fixture.store.apply(event, failure: failure, to: agent.id, generation: 1).orFail()
            #expect((failed.condition, failed.failure) == (.init(.failed, .crashLoop), failure))
            try await fixture.store.recordAddress("http://127.0.0.1:2", for: agent.id, generation: 1)
            fixture.clock.advance(by: .seconds(3))

            let started = try await fixture.store.startProvision(of: agent.id, token: nil, from: [.failed]).orFail()
            #expect((started.condition, started.failure, started.url) == (.init(.provisioning), nil, nil))
            #expect((started.generation, started.provisionStartedAt) == (1, fixture.clock.now()))
            #expect(try await fixture.row(agent) == started)
            let events = try await fixture.storedEvents(agent.id)
            #expect(events.map(\.kind) == [.provisionFailed, .provisioning])
            #expect(events.last?.payload == ["name": "mover", "tier": 2, "runtime": "echo"])
            #expect(events == fixture.committed.of(agent.id))
            #expect(try await fixture.store.tokenOwner(agent.token.digest.hash)?.revoked == false, "it is started under its own token")
        }
    }

    @Test("a provision of a row that is provisioning restarts its clock and reports nothing", arguments: RecordsKind.present)
    func provisionGoesOn(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            let agent = try await fixture.workspace(.init(.provisioning))
            fixture.clock.advance(by: .seconds(3))
            let next = fixture.tokens.issue()
            let started = try await fixture.store.startProvision(of: agent.id, token: next.digest, from: [.provisioning]).orFail()
            #expect((started.generation, started.provisionStartedAt) == (2, fixture.clock.now()))
            #expect(try await fixture.store.tokenOwner(agent.token.digest.hash)?.revoked == true)
            #expect(try await fixture.store.tokenOwner(next.digest.hash)?.generation == 2)
            #expect(try await fixture.storedEvents(agent.id).isEmpty)
        }
    }

    @Test("a hibernation is claimed by rows that are up and idle, unless somebody insists", arguments: RecordsKind.present)
    func hibernation(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            for condition in WorkspaceCondition.all {
                let agent = try await fixture.workspace(condition)
                let claim = try await fixture.store.claimHibernation(of: agent.id, evenBusy: true, idleSince: nil)
                let row = try await fixture.row(agent)
                let isUp = condition.status == .online || condition.status == .degraded
                #expect(claim == (isUp ? .claimed(row) : .notNow), "\(condition.key)")
                #expect(row.condition == (isUp ? .init(.hibernating) : condition))
            }
            #expect(try await fixture.store.claimHibernation(of: Self.nobody, evenBusy: true, idleSince: nil) == .notNow)

            let busy = try await fixture.workspace(.init(.online))
            var beat = busy.beat()
            beat.activeTasks = 2
            _ = try await fixture.store.recordHeartbeat(beat).get()
            #expect(try await fixture.store.claimHibernation(of: busy.id, evenBusy: false, idleSince: nil) == .busy(activeTasks: 2))
            #expect(try await fixture.row(busy).condition == .init(.online))
        }
    }

    @Test("work noted after the idle time began keeps a workspace awake", arguments: RecordsKind.present)
    func workKeepsAwake(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            let agent = try await fixture.workspace(.init(.online))
            let idleSince = fixture.clock.now()
            try await fixture.store.noteWork(on: agent.id, at: idleSince + .seconds(1))
            #expect(try await fixture.store.claimHibernation(of: agent.id, evenBusy: false, idleSince: idleSince) == .notNow)
            let later = idleSince + .seconds(1)
            let claim = try await fixture.store.claimHibernation(of: agent.id, evenBusy: false, idleSince: later)
            #expect(claim == .claimed(try await fixture.row(agent)))
        }
    }

    @Test("noted work never goes back in time, and touches nothing else", arguments: RecordsKind.present)
    func notedWork(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            let agent = try await fixture.workspace(.init(.online))
            var expected = try await fixture.row(agent)
            for (seconds, stored) in [(10, 10), (5, 10), (10, 10), (11, 11)] {
                try await fixture.store.noteWork(on: agent.id, at: Timestamp(seconds: Int64(seconds)))
                expected.lastWorkAt = Timestamp(seconds: Int64(stored))
                #expect(try await fixture.row(agent) == expected)
            }
            try await fixture.store.noteWork(on: Self.nobody, at: Timestamp(seconds: 1))
        }
    }

    @Test("a beat notes work when it shows some, and only then", arguments: RecordsKind.present)
    func beatsNoteWork(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            let agent = try await fixture.workspace(.init(.online))
            func workAfter(active: Int?, task: String?) async throws -> Bool {
                fixture.clock.advance(by: .seconds(1))
                var beat = agent.beat(task: task)
                beat.activeTasks = active
                _ = try await fixture.store.recordHeartbeat(beat).get()
                return try await fixture.row(agent).lastWorkAt == fixture.clock.now()
            }
            #expect(try await workAfter(active: nil, task: nil) == false)
            #expect(try await workAfter(active: 0, task: "") == false)
            #expect(try await fixture.row(agent).lastWorkAt == nil)
            #expect(try await workAfter(active: 1, task: nil))
            #expect(try await workAfter(active: nil, task: nil), "tasks that nobody took back are still at work")
            #expect(try await workAfter(active: 0, task: nil) == false)
            #expect(try await workAfter(active: nil, task: "reading"))
            #expect(try await workAfter(active: 0, task: "reading") == false)
            #expect(try await workAfter(active: 0, task: ""), "a task that ended was work until now")
            #expect(try await fixture.row(agent).lastWorkAt == fixture.clock.now())
        }
    }
}
