import Model
import Sweeper
import TestSupport
import Testing

@Suite("What a pass decides about a workspace that should run, or rest")
struct ReconcileRunningTests {
    private static let id = PlanFixture.id
    private static let start = PlanFixture.start
    private static let up = [WorkspaceCondition(.online), .init(.degraded, .wedged), .init(.degraded, .errorRate), .init(.offline)]

    private func kinds(_ actions: [ReconcileAction]) -> [String] { actions.map(\.word) }

    private func ledger(_ ends: [Int64]) -> CrashLedger {
        var ledger = CrashLedger()
        for end in ends { ledger.noteEnd(of: Self.id, at: Self.start + .seconds(end), window: .seconds(600)) }
        return ledger
    }

    @Test("one whose container is gone is offline, not dialled, and made again", arguments: up)
    func gone(_ condition: WorkspaceCondition) {
        let actions = PlanFixture.decide(PlanFixture.row(condition), [])
        let expected = condition.status == .offline ? ["moveAddress", "recreate"] : ["markOffline", "moveAddress", "recreate"]
        #expect(kinds(actions) == expected)
    }

    @Test("one whose container ended is offline and started again", arguments: [ContainerFacts.State.exited, .dead, .created])
    func ended(_ state: ContainerFacts.State) {
        let row = PlanFixture.row(WorkspaceCondition(.online)) { $0.hibernationIdleMinutes = 1 }
        #expect(kinds(PlanFixture.decide(row, [PlanFixture.container(state)])) == ["markOffline", "moveAddress", "startAgain"])
    }

    @Test("one that the engine restarts by itself is left to it")
    func restarting() {
        let actions = PlanFixture.decide(PlanFixture.row(WorkspaceCondition(.online)), [PlanFixture.container(.restarting)])
        #expect(kinds(actions) == ["markOffline", "moveAddress"])
    }

    @Test("an end that the agent has outlived is old news")
    func oldExit() {
        let exit = ["c": ObservedExit(code: 1, at: Self.start + .seconds(10))]
        let silentSince = PlanFixture.row(WorkspaceCondition(.online)) { $0.lastHeartbeatAt = Self.start + .seconds(9) }
        let heardSince = PlanFixture.row(WorkspaceCondition(.online)) { $0.lastHeartbeatAt = Self.start + .seconds(11) }
        #expect(
            kinds(PlanFixture.decide(silentSince, [PlanFixture.container(.running)], seconds: 12) { $0.facts.exits = exit }) == [
                "markOffline"
            ])
        #expect(PlanFixture.decide(heardSince, [PlanFixture.container(.running)], seconds: 12) { $0.facts.exits = exit }.isEmpty)
    }

    @Test("each further end within the window waits twice as long, and the plan says when to look again")
    func backoff() {
        let row = PlanFixture.row(WorkspaceCondition(.offline)) { $0.url = nil }
        let container = PlanFixture.container(.exited)
        for (ends, wait) in [([100], 0), ([90, 100], 1), ([80, 90, 100], 2), ([70, 80, 90, 100], 4), ([60, 70, 80, 90, 100], 8)]
            as [([Int64], Int64)]
        {
            let early = PlanFixture.decision(row, [container], seconds: 100 + wait - 1) { $0.facts.ledger = ledger(ends) }
            let due = PlanFixture.decide(row, [container], seconds: 100 + wait) { $0.facts.ledger = ledger(ends) }
            #expect(kinds(due) == ["startAgain"], "after \(ends.count) ends")
            guard wait > 0 else { continue }
            #expect(early.actions.isEmpty && early.lookAgain[Self.id] == Self.start + .seconds(100 + wait), "after \(ends.count) ends")
        }
    }

    @Test("more ends than the budget are a crash loop, also while the container runs or the engine restarts it")
    func budget() {
        let row = PlanFixture.row(WorkspaceCondition(.online)) { $0.url = nil }
        let ends = ledger([10, 20, 30, 40, 50, 60])
        for state in [ContainerFacts.State.running, .exited, .restarting] {
            let actions = PlanFixture.decide(row, [PlanFixture.container(state)], seconds: 61) { $0.facts.ledger = ends }
            #expect(kinds(actions).last == "failCrashLoop", "\(state)")
        }
        let counted = PlanFixture.container(.restarting) { $0.restartCount = 6 }
        #expect(kinds(PlanFixture.decide(row, [counted])).last == "failCrashLoop")
        #expect(
            !kinds(PlanFixture.decide(row, [PlanFixture.container(.exited)], seconds: 700) { $0.facts.ledger = ends }).contains(
                "failCrashLoop"))
    }

    @Test("running out of memory again and again is told as that")
    func outOfMemory() {
        let actions = PlanFixture.decide(
            PlanFixture.row(WorkspaceCondition(.offline)), [PlanFixture.container(.exited) { $0.outOfMemory = true }], seconds: 61
        ) {
            $0.facts.ledger = ledger([10, 20, 30, 40, 50, 60])
        }
        guard case .failCrashLoop(_, _, _, .outOfMemory, _)? = actions.last else {
            Issue.record("\(actions)")
            return
        }
    }

    @Test("a container that is no longer what the row asks for is made anew when it would be started")
    func drift() {
        let container = PlanFixture.container(.exited) { $0.labels[WorkspaceLabels.tier] = "1" }
        #expect(kinds(PlanFixture.decide(PlanFixture.row(WorkspaceCondition(.offline)), [container])).last == "recreate")
        let running = PlanFixture.container(.running) { $0.labels[WorkspaceLabels.tier] = "1" }
        #expect(PlanFixture.decide(PlanFixture.row(WorkspaceCondition(.online)), [running]).isEmpty, "one that runs is left alone")
    }

    @Test("containers of earlier generations beside the current one go")
    func stale() {
        let old = PlanFixture.container(.running, generation: 1) { $0.id = "old" }
        let actions = PlanFixture.decide(PlanFixture.row(WorkspaceCondition(.online)), [PlanFixture.container(.running), old])
        #expect(actions == [.removeStale(Self.id, containers: ["old"])])
    }

    @Test("silence counts only from when agents could be heard, and not at all while they cannot")
    func audible() {
        let row = PlanFixture.row(WorkspaceCondition(.online)) { $0.lastHeartbeatAt = Self.start }
        let container = PlanFixture.container(.running)
        func decide(_ audible: Int64?) -> [String] {
            kinds(
                PlanFixture.decide(row, [container], seconds: 1000) { fixture in
                    fixture.facts.audibleSince = audible.map { Self.start + .seconds($0) }
                })
        }
        #expect(decide(nil).isEmpty)
        #expect(decide(821).isEmpty)
        #expect(decide(820) == ["markOffline", "restartSilent"])
    }

    @Test("an agent that works is not restarted for its silence; nor is one whose container's age is not known")
    func silentAtWork() {
        let row = PlanFixture.row(WorkspaceCondition(.online)) { $0.lastHeartbeatAt = Self.start }
        let busy = PlanFixture.decide(row, [PlanFixture.container(.running)], seconds: 1000) {
            $0.facts.audibleSince = Self.start
            $0.facts.atWork = [Self.id]
        }
        let ageless = PlanFixture.decide(row, [PlanFixture.container(.running) { $0.startedAt = nil }], seconds: 1000) {
            $0.facts.audibleSince = Self.start
        }
        #expect(kinds(busy) == ["markOffline"] && kinds(ageless) == ["markOffline"])
    }

    @Test("an agent that stays silent through three restarts fails with agent_silent; one that was heard in between does not")
    func silentForGood() {
        var ledger = CrashLedger()
        for second in [300, 600, 900] as [Int64] { ledger.noteSilentRestart(of: Self.id, at: Self.start + .seconds(second)) }
        func decide(heard: Int64) -> [ReconcileAction] {
            PlanFixture.decide(
                PlanFixture.row(WorkspaceCondition(.offline)) { $0.lastHeartbeatAt = Self.start + .seconds(heard) },
                [PlanFixture.container(.running)], seconds: 2000
            ) {
                $0.facts.audibleSince = Self.start
                $0.facts.ledger = ledger
            }
        }
        guard case .failCrashLoop(_, _, _, .agentSilent, _)? = decide(heard: 0).last else {
            Issue.record("not failed")
            return
        }
        #expect(kinds(decide(heard: 700)) == ["restartSilent"])
    }

    @Test("an external agent is offline after its own time, and nothing is started for it")
    func external() {
        let row = PlanFixture.row(WorkspaceCondition(.online)) {
            $0.external = true
            $0.lastHeartbeatAt = Self.start
        }
        func decide(_ seconds: Int64) -> [String] {
            kinds(PlanFixture.decide(row, [], seconds: seconds) { $0.facts.audibleSince = Self.start })
        }
        #expect(decide(89).isEmpty && decide(90) == ["markOffline"])
    }

    @Test(
        "what should rest is stopped while anything of it runs",
        arguments: [WorkspaceCondition(.paused), .init(.hibernated), .init(.failed, .crashLoop)])
    func rest(_ condition: WorkspaceCondition) {
        for state in [ContainerFacts.State.running, .restarting, .paused] {
            #expect(kinds(PlanFixture.decide(PlanFixture.row(condition), [PlanFixture.container(state)])) == ["stopContainers"])
        }
        for state in [ContainerFacts.State.exited, .created, .dead, .removing, .unknown] {
            #expect(PlanFixture.decide(PlanFixture.row(condition), [PlanFixture.container(state)]).isEmpty)
        }
    }

    @Test("a workspace hibernates after its idle minutes without work, and not while it works")
    func hibernates() {
        let row = PlanFixture.row(WorkspaceCondition(.online)) {
            $0.hibernationIdleMinutes = 10
            $0.lastHeartbeatAt = Self.start + .seconds(650)
            $0.lastWorkAt = Self.start + .seconds(60)
        }
        func decide(_ seconds: Int64, _ change: (inout Workspace) -> Void = { _ in }, busy: Bool = false) -> [String] {
            var row = row
            change(&row)
            return kinds(
                PlanFixture.decide(row, [PlanFixture.container(.running)], seconds: seconds) {
                    $0.facts.audibleSince = Self.start
                    if busy { $0.facts.atWork = [Self.id] }
                })
        }
        #expect(decide(659).isEmpty && decide(660) == ["hibernate"])
        #expect(decide(660, busy: true).isEmpty)
        #expect(decide(660, { $0.activeTasks = 1 }).isEmpty && decide(660, { $0.hibernationIdleMinutes = nil }).isEmpty)
    }

    @Test("a half-done hibernation is finished")
    func hibernating() {
        #expect(
            kinds(PlanFixture.decide(PlanFixture.row(WorkspaceCondition(.hibernating)), [PlanFixture.container(.running)])) == [
                "finishHibernation"
            ])
    }

    @Test("a workspace that has lived is started again when its container ends while its agent is awaited")
    func livedAndProvisioning() {
        let row = PlanFixture.row(WorkspaceCondition(.provisioning)) { $0.lastHeartbeatAt = Self.start - .seconds(100) }
        let after = PlanFixture.container(.exited) { $0.finishedAt = Self.start + .seconds(1) }
        #expect(kinds(PlanFixture.decide(row, [after], seconds: 2)) == ["startAgain"])
        let before = PlanFixture.container(.exited) { $0.finishedAt = Self.start - .seconds(1) }
        #expect(kinds(PlanFixture.decide(row, [before], seconds: 2)) == ["resume"], "it was paused, and waits to be started")
    }

    @Test("an engine that goes away takes its containers with it, and nobody's budget")
    func forgiven() {
        var ledger = ledger([10, 20, 30, 40, 50, 60])
        ledger.forgiveEnds(since: Self.start + .seconds(45))
        #expect(ledger.ends(of: Self.id, now: Self.start + .seconds(61), window: .seconds(600)).count == 4)
    }
}

extension ReconcileAction {
    /// The action's name.
    var word: String { String(String(describing: self).prefix { $0 != "(" }) }
}
