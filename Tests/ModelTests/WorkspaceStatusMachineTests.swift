import Model
import Testing

/// The transition tables of `docs/wire/registry.md`, one row per line.
@Suite("The workspace status machine: beats")
struct BeatTransitionTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let from: String
        let wedged: Bool?
        let rate: Double?
        let selfManaged: Bool
        let to: String

        init(_ from: String, _ wedged: Bool?, _ rate: Double?, selfManaged: Bool = false, _ to: String) {
            self.from = from
            self.wedged = wedged
            self.rate = rate
            self.selfManaged = selfManaged
            self.to = to
        }

        var testDescription: String {
            "\(from), wedged \(wedged.map(String.init) ?? "-"), rate \(rate.map { "\($0)" } ?? "-")\(selfManaged ? ", self-managed" : "") -> \(to)"
        }
    }

    private static let rows = [
        Row("online", true, 0, "degraded/wedged"),
        Row("online", true, 0.9, "degraded/wedged"),
        Row("online", false, 0.5, "degraded/error_rate"),
        Row("online", false, 0.49, "online"),
        Row("online", nil, nil, "online"),
        Row("online", false, 0.8, selfManaged: true, "online"),
        Row("online", true, 0, selfManaged: true, "degraded/wedged"),
        Row("degraded/error_rate", false, 0.1, "degraded/error_rate"),
        Row("degraded/error_rate", false, 0.09, "online"),
        Row("degraded/error_rate", nil, 0.05, "online"),
        Row("degraded/error_rate", nil, nil, "degraded/error_rate"),
        Row("degraded/error_rate", true, 0.05, "degraded/wedged"),
        Row("degraded/error_rate", false, 0.05, selfManaged: true, "degraded/error_rate"),
        Row("degraded/wedged", true, 0, "degraded/wedged"),
        Row("degraded/wedged", false, 0, "online"),
        Row("degraded/wedged", false, 0.3, "online"),
        Row("degraded/wedged", false, 0.3, selfManaged: true, "online"),
        Row("degraded/wedged", false, 0.7, "degraded/error_rate"),
        Row("degraded/wedged", nil, 0, "degraded/wedged"),
        Row("degraded/wedged", nil, 0.9, "degraded/wedged"),
        Row("offline", false, 0, "online"),
        Row("offline", nil, nil, "online"),
        Row("offline", true, 0, "degraded/wedged"),
        Row("offline", false, 0.9, "degraded/error_rate"),
        Row("awaiting_agent", false, 0, "online"),
        Row("provisioning", false, 0, "online"),
        Row("provisioning", false, 0.3, "online"),
        Row("provisioning", true, 0, "degraded/wedged"),
        Row("failed/register_timeout", false, 0, "online"),
        Row("failed/provision", false, 0, "failed/provision"),
        Row("paused", false, 0, "paused"),
        Row("hibernated", false, 0, "hibernated"),
        Row("hibernating", true, 0.9, "hibernating"),
        Row("removed", false, 0, "removed"),
    ]

    @Test("a beat moves a workspace as the table says, and an event is told exactly when it moved", arguments: rows)
    func moves(row: Row) throws {
        let from = try #require(WorkspaceCondition(key: row.from))
        let to = try #require(WorkspaceCondition(key: row.to))
        let signal = BeatSignal(wedged: row.wedged, errorRate: row.rate, managesOwnStatus: row.selfManaged, sampleError: "why")
        let transition = WorkspaceStatusMachine.apply(.beatReceived(signal), to: from)
        #expect((transition?.to ?? from) == to)
        #expect((transition == nil) == (from == to))
        #expect(transition?.actions.count ?? 1 == 1, "one event, never two")
        #expect(WorkspaceStatusMachine.beatTable(signal)[from] == transition)
    }

    @Test("one DEGRADED event names both reasons")
    func bothReasons() {
        let signal = BeatSignal(wedged: true, errorRate: 0.6, managesOwnStatus: false, sampleError: "stuck")
        let actions = WorkspaceStatusMachine.apply(.beatReceived(signal), to: WorkspaceCondition(.online))?.actions
        #expect(actions == [.emit(.degraded, ["runtime_state": "wedged", "error_rate": .double(0.6), "sample_error": "stuck"])])
    }

    @Test("an ONLINE event says what the workspace recovered from", arguments: ["provisioning", "failed/register_timeout"])
    func recovered(key: String) throws {
        let signal = BeatSignal(wedged: false, errorRate: 0, managesOwnStatus: false)
        let condition = try #require(WorkspaceCondition(key: key))
        let actions = WorkspaceStatusMachine.apply(.beatReceived(signal), to: condition)?.actions
        #expect(actions == [.emit(.online, ["recovered_from": .string(condition.status.rawValue)])])
    }
}

@Suite("The workspace status machine: everything but beats")
struct LifecycleTransitionTests {
    private static let events: [(LifecycleEvent, from: [String], to: String)] = [
        (
            .provisionStarted,
            from: [
                "online", "offline", "degraded/wedged", "degraded/error_rate", "failed/provision", "failed/register_timeout",
                "failed/crash_loop", "paused", "hibernated", "hibernating", "awaiting_agent",
            ],
            to: "provisioning"
        ),
        (
            .agentRegistered(url: "http://a", cardText: "{}"),
            from: [
                "provisioning", "online", "offline", "degraded/wedged", "degraded/error_rate", "failed/register_timeout", "awaiting_agent",
            ],
            to: "online"
        ),
        (
            .provisionFailed(code: .imageNotFound, message: "no image"),
            from: [
                "provisioning", "online", "offline", "degraded/wedged", "degraded/error_rate", "failed/register_timeout",
                "failed/crash_loop",
            ],
            to: "failed/provision"
        ),
        (.registerDeadlinePassed(seconds: 600, runtime: "echo", message: "late"), from: ["provisioning"], to: "failed/register_timeout"),
        (.agentLost(reason: "died"), from: ["online", "degraded/wedged", "degraded/error_rate"], to: "offline"),
        (.bootstrapFailed(message: "no", logTail: "x"), from: ["provisioning"], to: "failed/register_timeout"),
        (
            .crashLooped(code: .crashLoop, message: "again"),
            from: ["provisioning", "online", "offline", "degraded/wedged", "degraded/error_rate", "failed/register_timeout"],
            to: "failed/crash_loop"
        ),
        (
            .pauseRequested(name: "W"),
            from: [
                "provisioning", "online", "offline", "degraded/wedged", "degraded/error_rate", "failed/provision",
                "failed/register_timeout", "failed/crash_loop", "hibernated", "hibernating", "awaiting_agent",
            ],
            to: "paused"
        ),
        (.agentReleased, from: ["paused"], to: "awaiting_agent"),
        (.hibernationClaimed, from: ["online", "degraded/wedged", "degraded/error_rate"], to: "hibernating"),
        (.hibernationAbandoned, from: ["hibernating"], to: "online"),
        (.hibernationCompleted(name: "W", tier: 2), from: ["hibernating"], to: "hibernated"),
        (
            .removalRequested,
            from: [
                "provisioning", "online", "offline", "degraded/wedged", "degraded/error_rate", "failed/provision",
                "failed/register_timeout", "failed/crash_loop", "paused", "hibernated", "hibernating", "awaiting_agent",
            ],
            to: "removed"
        ),
    ]

    @Test("each event moves exactly the conditions it may", arguments: events.indices)
    func table(index: Int) throws {
        let (event, from, to) = Self.events[index]
        for condition in WorkspaceCondition.all {
            let reached = WorkspaceStatusMachine.apply(event, to: condition)?.to
            #expect(reached?.key == (from.contains(condition.key) ? to : nil), "\(event) at \(condition.key)")
        }
    }

    @Test("removal revokes the tokens and forgets the address")
    func removal() {
        let actions = WorkspaceStatusMachine.apply(.removalRequested, to: WorkspaceCondition(.online))?.actions ?? []
        #expect(actions.contains(.revokeTokens) && actions.contains(.clearAddress))
    }

    @Test("nothing leaves `removed`", arguments: events.indices)
    func removedStays(index: Int) {
        #expect(WorkspaceStatusMachine.apply(Self.events[index].0, to: WorkspaceCondition(.removed)) == nil)
    }

    @Test("a condition's key reads back, and nothing else does")
    func keys() {
        for condition in WorkspaceCondition.all { #expect(WorkspaceCondition(key: condition.key) == condition) }
        for text in ["", "up", "online/", "degraded/sad"] { #expect(WorkspaceCondition(key: text) == nil) }
    }

    @Test("only work counts as an agent's progress: a beat does not")
    func progress() {
        #expect(EventKind.allCases.filter(\.isAgentProgress) == [.taskUpdated, .activityLogged, .agentMessage])
    }
}
