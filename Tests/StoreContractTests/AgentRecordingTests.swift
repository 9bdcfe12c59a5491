import Model
import Store
import Testing

@Suite("What agents record, on both databases")
struct AgentRecordingTests {
    /// One line of the table of beats: from, the beat, to, and the kind of event when one is due.
    struct Move: Sendable, CustomTestStringConvertible {
        let from: WorkspaceCondition
        let rate: Double
        let wedged: Bool
        let native: Bool
        let to: WorkspaceCondition
        let event: EventKind?

        init(
            _ from: WorkspaceCondition, rate: Double = 0, wedged: Bool = false, native: Bool = false, to: WorkspaceCondition,
            _ event: EventKind?
        ) {
            (self.from, self.rate, self.wedged, self.native, self.to, self.event) = (from, rate, wedged, native, to, event)
        }

        var testDescription: String { "\(from.key) + \(wedged ? "wedged " : "")\(native ? "native " : "")\(rate) -> \(to.key)" }
    }

    static let byRate = WorkspaceCondition(.degraded, .errorRate)
    static let byWedge = WorkspaceCondition(.degraded, .wedged)
    static let online = WorkspaceCondition(.online)

    static let moves: [Move] = [
        Move(online, wedged: true, to: byWedge, .degraded),
        Move(byWedge, wedged: true, to: byWedge, nil),
        Move(byWedge, rate: 0.05, to: online, .online),
        Move(byRate, rate: 0.09, to: online, .online),
        Move(byRate, rate: 0.1, to: byRate, nil),
        Move(online, rate: 0.5, to: byRate, .degraded),
        Move(online, rate: 0.49, to: online, nil),
        Move(online, rate: 0.8, native: true, to: online, nil),
        Move(byRate, rate: 0.05, native: true, to: byRate, nil),
        Move(online, wedged: true, native: true, to: byWedge, .degraded),
        Move(.init(.offline), to: online, .online),
        Move(.init(.awaitingAgent), to: online, .online),
        Move(.init(.provisioning), to: online, .online),
        Move(.init(.provisioning), wedged: true, to: byWedge, .degraded),
        Move(.init(.failed, .registerTimeout), to: online, .online),
        Move(.init(.failed, .provision), to: .init(.failed, .provision), nil),
        Move(.init(.paused), to: .init(.paused), nil),
        Move(.init(.hibernated), to: .init(.hibernated), nil),
        Move(.init(.hibernating), to: .init(.hibernating), nil),
    ]

    @Test("a beat moves the status as the table says, and reports a move exactly when there is one", arguments: DatabaseKind.present)
    func beatTable(_ kind: DatabaseKind) async throws {
        try await StoreFixture.with(kind) { fixture in
            for move in Self.moves {
                let agent = try await fixture.workspace(move.from)
                let overrides = move.native ? RuntimeOverrides(capabilities: ["status_mgmt": true]) : nil
                let beat = agent.beat(rate: move.rate, wedged: move.wedged, overrides: overrides, sampleError: "why")
                let record = try await fixture.store.recordHeartbeat(beat).get()
                let row = try await fixture.row(agent)
                let events = try await fixture.storedEvents(agent.id)
                #expect(record.condition == move.to, "\(move.testDescription)")
                #expect(row.condition == move.to, "\(move.testDescription)")
                #expect((row.lastHeartbeatAt, row.lastErrorRate, row.lastSampleError) == (fixture.clock.now(), move.rate, "why"))
                #expect(events.map(\.kind) == (move.event.map { [$0] } ?? []), "\(move.testDescription)")
                #expect(events == fixture.committed.of(agent.id))
                let expected = beat.movesWhenSelfManaged[move.from]
                if move.native {
                    #expect(events.first?.payload == expected?.payload)
                } else {
                    #expect(events.first?.payload == beat.moves[move.from]?.payload)
                }
            }
        }
    }

    @Test("the moves of beats carry one event and nothing else: the beat statement relies on it")
    func beatMovesAreEvents() {
        for rate in [0, 0.3, 0.5, 1] {
            for (wedged, native) in [(false, false), (true, false), (false, true), (true, true)] {
                let table = WorkspaceStatusMachine.beatTable(BeatSignal(wedged: wedged, errorRate: rate, managesOwnStatus: native))
                for transition in table.values {
                    #expect(transition.actions.count == 1)
                    #expect(transition.payload != nil)
                }
            }
        }
    }

    @Test("a capability declared by an earlier beat still holds for one that says nothing", arguments: DatabaseKind.present)
    func storedCapability(_ kind: DatabaseKind) async throws {
        try await StoreFixture.with(kind) { fixture in
            let agent = try await fixture.workspace(Self.online)
            let declared = RuntimeOverrides(idleTimeoutSeconds: 600, capabilities: ["status_mgmt": true])
            #expect(try await fixture.store.recordHeartbeat(agent.beat(overrides: declared)).get().condition == Self.online)
            #expect(try await fixture.store.recordHeartbeat(agent.beat(rate: 0.8)).get().condition == Self.online)
            #expect(try await fixture.row(agent).overrides == declared, "silence leaves the overrides as they are")
            let shorter = RuntimeOverrides(capabilities: ["status_mgmt": true])
            _ = try await fixture.store.recordHeartbeat(agent.beat(overrides: shorter)).get()
            #expect(try await fixture.row(agent).overrides == shorter, "a block without a timeout clears it")
            let silent = try await fixture.store.recordHeartbeat(agent.beat(rate: 0.8, overrides: RuntimeOverrides())).get()
            #expect(silent.condition == Self.byRate)
        }
    }

    @Test("absent fields stay, counts are clamped, spend is only raised", arguments: DatabaseKind.present)
    func columns(_ kind: DatabaseKind) async throws {
        try await StoreFixture.with(kind) { fixture in
            let agent = try await fixture.workspace(Self.online)
            var beat = agent.beat(task: "first")
            (beat.activeTasks, beat.uptimeSeconds, beat.monthlySpend) = (5_000_000_000, -3, 1500)
            let record = try await fixture.store.recordHeartbeat(beat).get()
            #expect(record.taskChanged && record.spareTasks == 0)
            #expect((record.activeTasks, record.uptimeSeconds) == (Int(Int32.max), 0))

            (beat.activeTasks, beat.uptimeSeconds, beat.currentTask, beat.errorRate, beat.sampleError) = (nil, nil, nil, nil, nil)
            for (spend, stored) in [(-5, 1500), (0, 1500), (Int64.max, 1_000_000_000_000), (1_000_000_000_000, 1_000_000_000_000)]
                as [(Int64, Int64)]
            {
                beat.monthlySpend = spend
                let unchanged = try await fixture.store.recordHeartbeat(beat).get()
                #expect((unchanged.currentTask, unchanged.taskChanged, unchanged.activeTasks) == ("first", false, Int(Int32.max)))
                #expect(try await fixture.row(agent).monthlySpend == stored)
            }
            beat.currentTask = ""
            beat.activeTasks = 0
            let cleared = try await fixture.store.recordHeartbeat(beat).get()
            #expect(cleared.taskChanged && cleared.currentTask.isEmpty && cleared.spareTasks == 1)
            #expect(try await fixture.store.recordHeartbeat(beat).get().taskChanged == false)
        }
    }

    @Test("a NUL in an agent's text is stored as the replacement character, not cut off there", arguments: DatabaseKind.present)
    func nulCharacter(_ kind: DatabaseKind) async throws {
        try await StoreFixture.with(kind) { fixture in
            let agent = try await fixture.workspace(Self.online)
            let record = try await fixture.store.recordHeartbeat(agent.beat(task: "a\0b")).get()
            #expect(record.currentTask == "a\u{FFFD}b")
            _ = try await fixture.store.recordHeartbeat(agent.beat(wedged: true, sampleError: "a\0b")).get()
            #expect(try await fixture.storedEvents(agent.id).last?.payload["sample_error"] == "a\0b", "JSON can carry it escaped")
        }
    }

    @Test("a beat that may not be is told why and changes nothing", arguments: DatabaseKind.present)
    func refusedBeats(_ kind: DatabaseKind) async throws {
        try await StoreFixture.with(kind) { fixture in
            let (agent, other, removed) = (
                try await fixture.workspace(), try await fixture.workspace(), try await fixture.workspace(Self.online)
            )
            var stranger = agent
            stranger.token = other.token
            let nobody = Agent(id: try WorkspaceID("00000000-0000-4000-8000-000000000000").orFail(), token: agent.token)
            let next = fixture.tokens.issue()
            _ = try await fixture.store.beginGeneration(of: agent.id, token: next.digest)
            _ = try await fixture.store.markRemoved(removed.id, withDescendants: false)
            let before = (try await fixture.row(agent), try await fixture.row(removed), fixture.committed.all)
            fixture.clock.advance(by: .seconds(1))

            #expect(try await fixture.store.recordHeartbeat(stranger.beat()).failure == .tokenInvalid)
            #expect(try await fixture.store.recordHeartbeat(nobody.beat()).failure == .workspaceMissing)
            #expect(try await fixture.store.recordHeartbeat(removed.beat()).failure == .workspaceRemoved)
            #expect(try await fixture.store.recordHeartbeat(agent.beat()).failure == .staleGeneration)
            for (agent, refusal) in [
                (stranger, AgentRefusal.tokenInvalid), (nobody, .workspaceMissing), (removed, .workspaceRemoved), (agent, .staleGeneration),
            ] {
                let registration = Registration(workspaceID: agent.id, tokenHash: agent.token.digest.hash, url: "http://x", agentCard: [:])
                #expect(try await fixture.store.register(registration).failure == refusal)
                #expect(try await fixture.store.updateCard([:], of: agent.id, tokenHash: agent.token.digest.hash).failure == refusal)
            }
            #expect((try await fixture.row(agent), try await fixture.row(removed), fixture.committed.all) == before)
        }
    }

    @Test("registering stores card, address and beat time and brings the row online", arguments: DatabaseKind.present)
    func registration(_ kind: DatabaseKind) async throws {
        try await StoreFixture.with(kind) { fixture in
            let agent = try await fixture.workspace(.init(.failed, .registerTimeout))
            try await fixture.store.recordAddress("http://127.0.0.1:49152", for: agent.id, generation: 1)
            let card: JSONValue = ["name": "echo", "n": .number(JSONNumber(1.5))]
            let kept = Registration(workspaceID: agent.id, tokenHash: agent.token.digest.hash, url: nil, agentCard: card)
            let row = try await fixture.store.register(kept).get()
            #expect((row.condition, row.url, row.agentCard) == (Self.online, "http://127.0.0.1:49152", card))
            #expect(row.lastHeartbeatAt == fixture.clock.now())
            #expect(try await fixture.row(agent) == row)
            #expect(try await fixture.storedEvents(agent.id).map(\.payload) == [["url": "http://127.0.0.1:49152", "agent_card": card]])

            var moved = kept
            moved.url = "http://agent:8000"
            #expect(try await fixture.store.register(moved).get().url == "http://agent:8000")
            try await fixture.store.updateCard(["v": 2], of: agent.id, tokenHash: agent.token.digest.hash).get()
            #expect(try await fixture.row(agent).agentCard == ["v": 2])
            #expect(try await fixture.storedEvents(agent.id).map(\.kind) == [.online, .online, .agentCardUpdated])

            // What is known already is no event: an agent that says the same again and again fills nothing.
            _ = try await fixture.store.register(moved).get()
            let told = try await fixture.storedEvents(agent.id).count
            _ = try await fixture.store.register(moved).get()
            try await fixture.store.updateCard(moved.agentCard, of: agent.id, tokenHash: agent.token.digest.hash).get()
            #expect(try await fixture.storedEvents(agent.id).count == told)
        }
    }

    @Test("an agent that registers while its workspace is paused leaves it paused", arguments: DatabaseKind.present)
    func registrationWhilePaused(_ kind: DatabaseKind) async throws {
        try await StoreFixture.with(kind) { fixture in
            for condition in [WorkspaceCondition(.paused), .init(.hibernated)] {
                let agent = try await fixture.workspace(condition)
                let registration = Registration(
                    workspaceID: agent.id, tokenHash: agent.token.digest.hash, url: "http://x", agentCard: ["v": 1])
                let row = try await fixture.store.register(registration).get()
                #expect((row.condition, row.agentCard, row.lastHeartbeatAt) == (condition, ["v": 1], fixture.clock.now()))
                #expect(try await fixture.storedEvents(agent.id).isEmpty)
            }
        }
    }
}

extension WorkspaceStatusMachine.Transition {
    var payload: JSONObject? {
        for case .emit(_, let payload) in actions { return payload }
        return nil
    }
}
