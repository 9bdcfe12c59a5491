import Model

/// An installation to look at: one container for every ten rows, the other rows asleep, paused, given up or living elsewhere, as in one that
/// has grown for a while. One container in a hundred has ended and is to be started again.
struct Landscape {
    static let instance = InstanceID("bench-reconcile")

    let rows: [Workspace]
    let containers: [ContainerFacts]
    let ended: Int

    init(rows count: Int, now: Timestamp, random: some RandomSource) {
        var rows: [Workspace] = []
        var containers: [ContainerFacts] = []
        for number in 0..<count {
            let runs = number % 10 == 0
            let row = Self.row(number, runs: runs, now: now, random: random)
            rows.append(row)
            if runs { containers.append(Self.container(of: row, ended: number % 1000 == 0, now: now)) }
        }
        self.rows = rows
        self.containers = containers
        ended = containers.count { $0.state == .exited }
    }

    private static let resting = [
        WorkspaceCondition(.hibernated), WorkspaceCondition(.paused), WorkspaceCondition(.failed, .crashLoop), WorkspaceCondition(.online),
    ]

    private static func row(_ number: Int, runs: Bool, now: Timestamp, random: some RandomSource) -> Workspace {
        let condition = runs ? WorkspaceCondition(.online) : resting[number % resting.count]
        var row = Workspace(
            id: WorkspaceID(random: random), name: "workspace \(number)", runtime: "echo", condition: condition, createdAt: now)
        row.external = !runs && condition.status == .online
        row.template = "echo"
        row.image = "berth-echo:dev"
        row.generation = 1
        row.lastHeartbeatAt = now
        row.provisionStartedAt = now
        row.containerID = runs ? containerID(number) : nil
        row.url = runs ? "http://127.0.0.1:\(20_000 + number % 40_000)" : nil
        return row
    }

    private static func container(of row: Workspace, ended: Bool, now: Timestamp) -> ContainerFacts {
        let labels = [
            WorkspaceLabels.managed: "true", WorkspaceLabels.instance: instance?.text ?? "", WorkspaceLabels.workspaceID: row.id.text,
            WorkspaceLabels.name: row.name, WorkspaceLabels.runtime: row.runtime, WorkspaceLabels.template: row.template ?? "",
            WorkspaceLabels.tier: String(row.tier), WorkspaceLabels.generation: "1",
        ]
        var facts = ContainerFacts(
            id: row.containerID ?? "", name: "ws-\(row.id.prefix12)", labels: labels, state: ended ? .exited : .running)
        facts.image = row.image ?? ""
        facts.agentURL = ended ? nil : row.url
        facts.createdAt = now
        return facts
    }

    private static func containerID(_ number: Int) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 64 - digits.count) + digits
    }
}
