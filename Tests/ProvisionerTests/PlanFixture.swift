import Model
import Sweeper
import TestSupport

/// One row of generation 2 against its containers, with the facts and the policy a test changes.
struct PlanFixture {
    static let id = WorkspaceID(random: SeededRandom(seed: 11))
    static let start = Timestamp(seconds: 1000)

    var facts: ReconcileFacts
    var policy = ReconcilePolicy()

    static func row(_ condition: WorkspaceCondition, _ change: (inout Workspace) -> Void = { _ in }) -> Workspace {
        var row = Workspace(id: id, name: "W", runtime: "echo", condition: condition, createdAt: start)
        row.generation = 2
        row.provisionStartedAt = start
        row.containerID = "c"
        row.url = "http://127.0.0.1:1"
        change(&row)
        return row
    }

    static func container(
        _ state: ContainerFacts.State, generation: Int = 2, _ change: (inout ContainerFacts) -> Void = { _ in }
    ) -> ContainerFacts {
        var facts = ContainerFacts(id: "c", name: "ws-c", labels: [WorkspaceLabels.generation: String(generation)], state: state)
        facts.agentURL = state == .running ? "http://127.0.0.1:1" : nil
        facts.startedAt = start
        change(&facts)
        return facts
    }

    static func decide(
        _ row: Workspace, _ containers: [ContainerFacts], seconds: Int64 = 1, _ change: (inout PlanFixture) -> Void = { _ in }
    ) -> [ReconcileAction] { decision(row, containers, seconds: seconds, change).actions[row.id] ?? [] }

    static func decision(
        _ row: Workspace, _ containers: [ContainerFacts], seconds: Int64 = 1, _ change: (inout PlanFixture) -> Void = { _ in }
    ) -> ReconcileDecision {
        var fixture = PlanFixture(
            facts: ReconcileFacts(rows: [row], containers: [row.id: containers], now: start + .seconds(seconds)))
        change(&fixture)
        return ReconcilePlan(policy: fixture.policy).decide(fixture.facts)
    }
}
