import Model
import Store
import Testing

@Suite("Many writers at once, on both databases")
struct ConcurrencyTests {
    @Test("64 writers of beats and events lose nothing, and sequences have no gaps and arrive in order", arguments: DatabaseKind.present)
    func gapless(_ kind: DatabaseKind) async throws {
        try await StoreFixture.with(kind) { fixture in
            var agents: [Agent] = []
            for _ in 0..<4 { agents.append(try await fixture.workspace(AgentRecordingTests.online)) }
            let rounds = 10
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<64 {
                    let agent = agents[task % agents.count]
                    group.addTask {
                        for round in 0..<rounds {
                            _ = try await fixture.store.recordHeartbeat(agent.beat(wedged: (task / 4 + round).isMultiple(of: 2))).get()
                            try await fixture.store.append(
                                .activityLogged, payload: ["task": .int(task), "round": .int(round)], to: agent.id)
                        }
                    }
                }
                try await group.waitForAll()
            }
            for agent in agents {
                let stored = try await fixture.storedEvents(agent.id)
                #expect(stored.map(\.sequence) == (1...Int64(stored.count)).map { $0 })
                #expect(stored.count { $0.kind == .activityLogged } == 16 * rounds)
                #expect(stored.count { $0.kind != .activityLogged } > 0, "the beats moved nothing, which proves nothing about them")
                let kinds = stored.map(\.kind).filter { $0 != .activityLogged }
                #expect(zip(kinds, kinds.dropFirst()).allSatisfy { $0 != $1 }, "moves alternate: none was reported twice")
                #expect(fixture.committed.of(agent.id) == stored)
            }
        }
    }

    @Test("verbs that rewrite the row and beats that touch columns do not undo each other", arguments: DatabaseKind.present)
    func noLostUpdates(_ kind: DatabaseKind) async throws {
        try await StoreFixture.with(kind) { fixture in
            let agent = try await fixture.workspace(AgentRecordingTests.online)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    for spend in 1...100 {
                        var beat = agent.beat(task: "task \(spend)")
                        beat.monthlySpend = Int64(spend)
                        _ = try await fixture.store.recordHeartbeat(beat).get()
                        let row = try await fixture.row(agent)
                        #expect((row.monthlySpend, row.currentTask) == (Int64(spend), "task \(spend)"))
                    }
                }
                group.addTask {
                    for version in 1...100 {
                        try await fixture.store.updateCard(["v": .int(version)], of: agent.id, tokenHash: agent.token.digest.hash).get()
                        #expect(try await fixture.row(agent).agentCard == ["v": .int(version)])
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("overlapping removals and beats end without a deadlock, each row removed once", arguments: DatabaseKind.present)
    func overlappingRemovals(_ kind: DatabaseKind) async throws {
        try await StoreFixture.with(kind) { fixture in
            var agents: [Agent] = []
            for _ in 0..<16 { agents.append(try await fixture.workspace(AgentRecordingTests.online, parent: agents.last?.id)) }
            let ids = agents.map(\.id)
            await withTaskGroup(of: Void.self) { group in
                for (index, agent) in agents.enumerated() {
                    group.addTask { _ = try? await fixture.store.recordHeartbeat(agent.beat(wedged: index.isMultiple(of: 2))) }
                    group.addTask {
                        let removal = try? await fixture.store.markRemoved(ids[index], withDescendants: true)
                        #expect(removal != nil)
                    }
                }
            }
            for id in ids { #expect(try await fixture.storedEvents(id).count { $0.kind == .removed } == 1) }
        }
    }

    @Test("a hibernation is never claimed over work that was noted before it", arguments: DatabaseKind.present)
    func claimsAgainstWork(_ kind: DatabaseKind) async throws {
        try await StoreFixture.with(kind) { fixture in
            let idleSince = fixture.clock.now()
            for round in 0..<25 {
                let agent = try await fixture.workspace(AgentRecordingTests.online)
                var beat = agent.beat()
                beat.activeTasks = round.isMultiple(of: 2) ? 1 : 0
                async let noted: Void = fixture.store.noteWork(on: agent.id, at: idleSince + .seconds(1))
                async let beaten = fixture.store.recordHeartbeat(beat)
                async let claim = fixture.store.claimHibernation(of: agent.id, evenBusy: false, idleSince: idleSince)
                let (outcome, row) = (try await claim, (try await noted, try await beaten.get(), try await fixture.row(agent)).2)
                switch outcome {
                case .claimed(let claimed):
                    #expect((claimed.lastWorkAt, claimed.activeTasks) == (nil, 0))
                    #expect(row.status == .hibernating)
                case .busy, .notNow: #expect(row.status == .online)
                }
                #expect(row.lastWorkAt.map { $0 > idleSince } == true)
            }
        }
    }

    @Test("families paused, removals and beats end without a deadlock", arguments: DatabaseKind.present)
    func movesTogether(_ kind: DatabaseKind) async throws {
        try await StoreFixture.with(kind) { fixture in
            var agents: [Agent] = []
            for _ in 0..<12 { agents.append(try await fixture.workspace(AgentRecordingTests.online, parent: agents.last?.id)) }
            let ids = agents.map(\.id)
            await withTaskGroup(of: Void.self) { group in
                for agent in agents {
                    group.addTask { _ = try? await fixture.store.recordHeartbeat(agent.beat(wedged: true)) }
                    group.addTask {
                        let moved = try? await fixture.store.pauseFamily(of: agent.id)
                        #expect(moved != nil)
                    }
                }
            }
            for id in ids { #expect(try await fixture.storedEvents(id).count { $0.kind == .paused } == 1) }
        }
    }

    @Test("a verb that fails inside a group is undone alone", arguments: DatabaseKind.present)
    func failsAlone(_ kind: DatabaseKind) async throws {
        try await StoreFixture.with(kind) { fixture in
            let agent = try await fixture.workspace()
            let nobody = try WorkspaceID("00000000-0000-4000-8000-000000000000").orFail()
            let outcomes = await withTaskGroup(of: Bool.self) { group in
                for index in 0..<64 {
                    let id = index.isMultiple(of: 4) ? nobody : agent.id
                    group.addTask { (try? await fixture.store.append(.activityLogged, payload: ["n": .int(index)], to: id)) != nil }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.count { $0 } == 48)
            #expect(try await fixture.storedEvents(agent.id).count == 48)
        }
    }
}
