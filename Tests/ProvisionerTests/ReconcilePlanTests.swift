import Model
import Sweeper
import TestSupport
import Testing

@Suite("What a pass decides about a provision, and about what should be gone")
struct ReconcilePlanTests {
    private static let id = PlanFixture.id
    private static let start = PlanFixture.start

    private func row(_ condition: WorkspaceCondition, _ change: (inout Workspace) -> Void = { _ in }) -> Workspace {
        PlanFixture.row(condition, change)
    }

    private func container(_ state: ContainerFacts.State, generation: Int = 2, _ change: (inout ContainerFacts) -> Void = { _ in })
        -> ContainerFacts
    {
        PlanFixture.container(state, generation: generation, change)
    }

    private func plan(
        _ row: Workspace, _ containers: [ContainerFacts], seconds: Int64 = 1, _ change: (inout PlanFixture) -> Void = { _ in }
    )
        -> [ReconcileAction]
    {
        PlanFixture.decide(row, containers, seconds: seconds, change)
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
            #expect(plan(row(waiting), containers, seconds: 100_000) { $0.facts.inFlight = [Self.id] }.isEmpty)
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
            plan(row(waiting), [ended]) { $0.facts.exits = ["c": ObservedExit(code: 4, at: Self.start)] } == [
                .failExited(Self.id, generation: 2, container: ended, exitCode: 4)
            ])
    }

    @Test("one that the engine has started again has ended, too")
    func restarted() {
        let again = container(.running) { $0.restartCount = 1 }
        #expect(plan(row(waiting), [again]) == [.failExited(Self.id, generation: 2, container: again, exitCode: nil)])
        let running = container(.running)
        #expect(
            plan(row(waiting), [running]) { $0.facts.exits = ["c": ObservedExit(code: 9, at: Self.start)] } == [
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
            plan(row(waiting), [late], seconds: 5010) { $0.policy.timeouts = ProvisionTimeouts(override: 10) }
                == [.failUnregistered(Self.id, generation: 2, seconds: 10)])
        #expect(plan(row(waiting), [late], seconds: 5600) { $0.facts.declaredTimeouts = ["echo": 900] }.isEmpty)
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
            guard case .teardown(Self.id, _)? = plan(row(condition) { $0.pendingCleanup = true }, []).first else {
                Issue.record("\(condition.key)")
                continue
            }
        }
        guard case .teardown? = plan(row(WorkspaceCondition(.failed, .provision)), [container(.running, generation: 1)]).first else {
            Issue.record("a failed provision keeps its container")
            return
        }
    }

    @Test("what a removed row still has, and owes nobody, is an orphan's case and not this plan's")
    func removedWithContainer() {
        #expect(plan(row(WorkspaceCondition(.removed)), [container(.running)]).isEmpty)
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
        let forgotten = ReconcileAction.moveAddress(Self.id, generation: 2, url: nil)
        for condition in [WorkspaceCondition(.online), .init(.degraded, .errorRate), .init(.offline)] {
            #expect(plan(row(condition), [container(state)]).contains(forgotten))
            #expect(plan(row(condition), []).contains(forgotten))
            #expect(!plan(row(condition) { $0.url = nil }, [container(state)]).contains(forgotten))
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
