import Model
import Sweeper
import TestSupport
import Testing

@Suite("What a pass decides")
struct SweepPlanTests {
    private static let id = WorkspaceID(random: SeededRandom(seed: 11))
    private static let start = Timestamp(seconds: 1000)

    private func row(_ condition: WorkspaceCondition, _ change: (inout Workspace) -> Void = { _ in }) -> Workspace {
        var row = Workspace(id: Self.id, name: "W", runtime: "echo", condition: condition, createdAt: Self.start)
        row.generation = 2
        row.provisionStartedAt = Self.start
        row.containerID = "c"
        row.url = "http://127.0.0.1:1"
        change(&row)
        return row
    }

    private func container(_ state: ContainerFacts.State, generation: Int = 2, _ change: (inout ContainerFacts) -> Void = { _ in })
        -> ContainerFacts
    {
        var facts = ContainerFacts(id: "c", name: "ws-c", labels: [WorkspaceLabels.generation: String(generation)], state: state)
        facts.agentURL = state == .running ? "http://127.0.0.1:1" : nil
        facts.startedAt = Self.start
        change(&facts)
        return facts
    }

    private func plan(_ row: Workspace, _ containers: [ContainerFacts], seconds: Int64 = 1, _ change: (inout SweepFacts) -> Void = { _ in })
        -> [ReconcileAction]
    {
        var facts = SweepFacts(rows: [row], containers: [row.id: containers], now: Self.start + .seconds(seconds))
        change(&facts)
        return SweepPlan.actions(for: facts)
    }

    private let waiting = WorkspaceCondition(.provisioning)

    @Test("a provision without a container of its generation is taken up again")
    func noContainer() {
        for containers in [[], [container(.running, generation: 1)], [container(.created)]] {
            guard case .resume(Self.id, _)? = plan(row(waiting), containers).first else {
                Issue.record("\(containers)")
                continue
            }
        }
    }

    @Test("a provision under way in this process is left alone, whatever its container looks like")
    func inFlight() {
        for containers in [[], [container(.created)], [container(.exited)]] {
            #expect(plan(row(waiting), containers, seconds: 100_000) { $0.inFlight = [Self.id] }.isEmpty)
        }
    }

    @Test("a running container that is not written down is taken up; one that is, is waited for")
    func written() {
        #expect(plan(row(waiting), [container(.running)]).isEmpty)
        for change: (inout Workspace) -> Void in [{ $0.containerID = nil }, { $0.url = nil }] {
            guard case .resume? = plan(row(waiting, change), [container(.running)]).first else {
                Issue.record("not taken up")
                continue
            }
        }
        #expect(plan(row(waiting) { $0.url = nil }, [container(.running) { $0.agentURL = nil }]).isEmpty)
    }

    @Test(
        "a new container that ended fails at once, with the exit code that is known",
        arguments: [ContainerFacts.State.exited, .dead, .restarting])
    func ended(_ state: ContainerFacts.State) {
        let ended = container(state) { $0.exitCode = 3 }
        #expect(plan(row(waiting), [ended]) == [.failExited(Self.id, generation: 2, container: ended, exitCode: 3)])
        #expect(
            plan(row(waiting), [ended]) { $0.observedExits = ["c": 4] } == [
                .failExited(Self.id, generation: 2, container: ended, exitCode: 4)
            ])
    }

    @Test("one that the engine has started again has ended, too")
    func restarted() {
        let again = container(.running) { $0.restartCount = 1 }
        #expect(plan(row(waiting), [again]) == [.failExited(Self.id, generation: 2, container: again, exitCode: nil)])
        let running = container(.running)
        #expect(
            plan(row(waiting), [running]) { $0.observedExits = ["c": 9] } == [
                .failExited(Self.id, generation: 2, container: running, exitCode: 9)
            ])
    }

    @Test("what the engine does not know proves nothing", arguments: [ContainerFacts.State.removing, .unknown])
    func unknown(_ state: ContainerFacts.State) {
        #expect(plan(row(waiting), [container(state)], seconds: 100_000).isEmpty)
    }

    @Test("the register deadline counts from the container's start and reaches it exactly")
    func deadline() {
        let late = container(.running) { $0.startedAt = Self.start + .seconds(5000) }
        #expect(plan(row(waiting), [late], seconds: 5599).isEmpty)
        #expect(plan(row(waiting), [late], seconds: 5600) == [.failUnregistered(Self.id, generation: 2, seconds: 600)])
        #expect(plan(row(waiting) { $0.runtime = "hermes" }, [late], seconds: 6799).isEmpty)
        #expect(
            plan(row(waiting) { $0.runtime = "hermes" }, [late], seconds: 6800) == [
                .failUnregistered(Self.id, generation: 2, seconds: 1800)
            ])
        #expect(
            plan(row(waiting), [late], seconds: 5010) { $0.timeouts = ProvisionTimeouts(override: 10) }
                == [.failUnregistered(Self.id, generation: 2, seconds: 10)])
        #expect(plan(row(waiting), [late], seconds: 5600) { $0.declaredTimeouts = ["echo": 900] }.isEmpty)
    }

    @Test("external workspaces have no deadline and no container")
    func external() {
        #expect(plan(row(waiting) { $0.external = true }, [], seconds: 100_000).isEmpty)
        #expect(plan(row(WorkspaceCondition(.awaitingAgent)) { $0.external = true }, [], seconds: 100_000).isEmpty)
    }

    @Test("removed rows and failed provisions are cleaned up while there is something to clean up")
    func cleanup() {
        for condition in [WorkspaceCondition(.removed), WorkspaceCondition(.failed, .provision)] {
            #expect(plan(row(condition), []).isEmpty)
            for plan in [plan(row(condition) { $0.pendingCleanup = true }, []), plan(row(condition), [container(.running, generation: 1)])]
            {
                guard plan.count == 1, case .teardown(Self.id, _)? = plan.first else {
                    Issue.record("\(condition.key): \(plan)")
                    continue
                }
            }
        }
    }

    @Test(
        "nothing that lives is ever cleaned up, pending or not",
        arguments: WorkspaceCondition.all.filter { $0.status != .removed && $0 != WorkspaceCondition(.failed, .provision) })
    func neverLive(_ condition: WorkspaceCondition) {
        for state in [ContainerFacts.State.created, .running, .restarting, .paused, .exited, .dead, .removing, .unknown] {
            for action in plan(row(condition) { $0.pendingCleanup = true }, [container(state)], seconds: 100_000) {
                if case .teardown = action { Issue.record("\(condition.key), \(state)") }
                if case .failExited = action { #expect(condition == waiting) }
            }
        }
    }

    @Test(
        "an address that the engine moved is moved in the row",
        arguments: [
            WorkspaceCondition(.online), .init(.degraded, .wedged), .init(.offline), .init(.failed, .registerTimeout), .init(.provisioning),
        ])
    func moved(_ condition: WorkspaceCondition) {
        let moved = container(.running) { $0.agentURL = "http://127.0.0.1:2" }
        #expect(plan(row(condition), [moved]) == [.moveAddress(Self.id, generation: 2, url: "http://127.0.0.1:2")])
        #expect(plan(row(condition), [container(.running)]).isEmpty)
        #expect(plan(row(condition) { $0.external = true }, [moved]).isEmpty)
    }

    @Test(
        "the address of a container that ended is nobody's: the engine gives its port to the next that asks",
        arguments: [ContainerFacts.State.exited, .dead, .restarting, .created])
    func addressOfTheDead(_ state: ContainerFacts.State) {
        for condition in [WorkspaceCondition(.online), .init(.degraded, .errorRate), .init(.offline)] {
            #expect(plan(row(condition), [container(state)]) == [.moveAddress(Self.id, generation: 2, url: nil)])
            #expect(plan(row(condition), []) == [.moveAddress(Self.id, generation: 2, url: nil)])
            #expect(plan(row(condition) { $0.url = nil }, [container(state)]).isEmpty)
            #expect(plan(row(condition) { $0.external = true }, []).isEmpty)
        }
        #expect(plan(row(WorkspaceCondition(.online)), [container(.unknown)]).isEmpty)
    }

    @Test("timeouts: the operator's word, else the larger of built-in and declared")
    func timeouts() {
        #expect(ProvisionTimeouts().seconds(for: "echo", declared: [:]) == 600)
        #expect(ProvisionTimeouts().seconds(for: "hermes", declared: ["hermes": 720]) == 1800)
        #expect(ProvisionTimeouts().seconds(for: "hermes", declared: ["hermes": 2000]) == 2000)
        #expect(ProvisionTimeouts(override: 30).seconds(for: "hermes", declared: ["hermes": 2000]) == 30)
        for bad in [0, -5] { #expect(ProvisionTimeouts(override: bad).seconds(for: "echo", declared: [:]) == 600) }
    }
}
