import Model
import Registry
import TestSupport
import Testing

@Suite("Heartbeats")
struct RegistryHeartbeatTests {
    let rig = RegistryRig()

    private func beat(_ fields: JSONObject = [:], bearer: String? = "secret") async throws -> BeatRecord {
        var body = fields
        body["workspace_id"] = .string(Sample.id.text)
        return try await rig.registry.heartbeat(.object(body), bearer: bearer)
    }

    private func add(_ status: WorkspaceStatus = .online, cause: ConditionCause? = nil, change: (inout Workspace) -> Void = { _ in }) {
        var row = Sample.workspace(1, status, cause: cause)
        change(&row)
        rig.book.add(row, token: "secret")
    }

    private var row: Workspace { get throws { try #require(rig.book.row(Sample.id)) } }

    @Test("a beat is one call of the store, and is told live without an id")
    func oneCall() async throws {
        add()
        _ = try await beat(["active_tasks": 2, "uptime_seconds": 60, "current_task": "thinking"])
        #expect(rig.book.faults.calls == ["recordHeartbeat"])
        #expect(rig.live.all.map(\.kind) == [.taskUpdated, .heartbeat])
        #expect(rig.live.all.allSatisfy { $0.sequence == nil })
        #expect(
            rig.live.all.map(\.payload) == [["current_task": "thinking", "active_tasks": 2], ["active_tasks": 2, "uptime_seconds": 60]])
    }

    @Test("a task is told when it changes, also when it is cleared, and not when it stays")
    func tasks() async throws {
        add()
        for task in ["a", "a", ""] { _ = try await beat(["current_task": .string(task)]) }
        #expect(rig.live.all.map(\.kind) == [.taskUpdated, .heartbeat, .heartbeat, .taskUpdated, .heartbeat])
        #expect(rig.live.all[3].payload["current_task"] == "")
    }

    @Test("what a beat leaves out stays as it was, null included")
    func absent() async throws {
        add(.degraded, cause: .wedged) { row in
            row.uptimeSeconds = 100
            row.activeTasks = 3
            row.lastErrorRate = 0.2
            row.currentTask = "t"
            row.overrides = RuntimeOverrides(idleTimeoutSeconds: 600, capabilities: ["session": true])
        }
        _ = try await beat(["current_task": .null, "runtime_metadata": .null])
        let row = try row
        #expect(row.uptimeSeconds == 100 && row.activeTasks == 3 && row.lastErrorRate == 0.2 && row.currentTask == "t")
        #expect(row.overrides == RuntimeOverrides(idleTimeoutSeconds: 600, capabilities: ["session": true]))
        #expect(row.condition == WorkspaceCondition(.degraded, .wedged))
    }

    private static let wedgeBeats: [(JSONObject, WorkspaceStatus)] = [
        (["error_rate": 0, "uptime_seconds": 0, "sample_error": "", "active_tasks": 1], .degraded),
        (["error_rate": 0, "uptime_seconds": 120], .online), (["runtime_metadata": [:]], .online), (["runtime_state": ""], .online),
        (["runtime_state": "ok"], .online), (["runtime_state": "wedged", "uptime_seconds": 120], .degraded),
    ]

    @Test("a task push does not clear a wedge, a full beat does", arguments: wedgeBeats)
    func wedge(fields: JSONObject, status: WorkspaceStatus) async throws {
        add(.degraded, cause: .wedged)
        #expect(try await beat(fields).condition.status == status)
    }

    @Test("a client that says `ok` instead of nothing recovers too")
    func okRecovers() async throws {
        add(.degraded, cause: .errorRate)
        #expect(try await beat(["runtime_state": "ok", "error_rate": .double(0.05)]).condition.status == .online)
    }

    @Test("a status_mgmt declared in the very beat holds for it")
    func selfManaged() async throws {
        add()
        let metadata: JSONValue = ["capabilities": ["status_mgmt": true]]
        #expect(try await beat(["error_rate": .double(0.9), "runtime_metadata": metadata]).condition.status == .online)
        #expect(try await beat(["error_rate": .double(0.9)]).condition.status == .online, "and for later ones")
        #expect(try await beat(["error_rate": .double(0.9), "runtime_metadata": [:]]).condition.status == .degraded)
    }

    @Test("overrides are kept with the row, bounded, and cleared by an explicit block only")
    func overrides() async throws {
        add()
        func idle() throws -> Int? { try row.overrides.idleTimeoutSeconds }
        _ = try await beat(["runtime_metadata": ["idle_timeout_seconds": 600, "capabilities": ["session": true, "odd": false]]])
        #expect(try idle() == 600)
        #expect(try row.overrides.has(.session))
        _ = try await beat()
        #expect(try idle() == 600)
        _ = try await beat(["runtime_metadata": ["idle_timeout_seconds": .int(Int.max)]])
        #expect(try idle() == RuntimeOverrides.longestIdleTimeoutSeconds)
        _ = try await beat(["runtime_metadata": ["idle_timeout_seconds": -1]])
        #expect(try idle() == nil)
        #expect(try !row.overrides.has(.session))
    }

    @Test(
        "numbers are cut to what a row can hold",
        arguments: [
            ("active_tasks", "99999999999", 2_147_483_647), ("active_tasks", "-5", 0),
            ("uptime_seconds", "9223372036854775807", 2_147_483_647),
            ("monthly_spend", "1500", 1500), ("monthly_spend", "-5", 77), ("monthly_spend", "0", 77),
            ("monthly_spend", "9000000000000000000", 1_000_000_000_000),
            ("monthly_spend", "1000000000000", 1_000_000_000_000),
        ] as [(String, String, Int)])
    func clamps(field: String, written: String, stored: Int) async throws {
        add { $0.monthlySpend = 77 }
        _ = try await beat([field: try JSONValue(parsing: written)])
        let row = try row
        let values = ["active_tasks": row.activeTasks, "uptime_seconds": row.uptimeSeconds, "monthly_spend": Int(row.monthlySpend)]
        #expect(values[field] == stored)
    }

    @Test("an error rate is cut to 0...1")
    func rates() async throws {
        add()
        for (written, stored) in [("-1", 0.0), ("7", 1), ("1e999", 1), ("0.25", 0.25)] {
            _ = try await beat(["error_rate": try JSONValue(parsing: written)])
            #expect(try row.lastErrorRate == stored)
        }
    }

    @Test("long texts are cut between characters, and lose their NULs")
    func texts() async throws {
        add()
        _ = try await beat(["current_task": .string("a\0b" + String(repeating: "é", count: 4096))])
        let task = try row.currentTask
        #expect(task.hasPrefix("abé") && task.hasSuffix("é") && task.utf8.count == 4096)
    }

    @Test("keys are found whatever their case, and unknown ones ignored")
    func keyCase() async throws {
        add()
        let body: JSONValue = ["Workspace_ID": .string(Sample.id.text.uppercased()), "ACTIVE_TASKS": 4, "novelty": [1]]
        #expect(try await rig.registry.heartbeat(body, bearer: "secret").activeTasks == 4)
    }

    private static let wrongFields: [JSONObject] = [
        ["active_tasks": "1"], ["active_tasks": .double(1.5)], ["active_tasks": true], ["uptime_seconds": []], ["error_rate": "0.5"],
        ["error_rate": true],
        ["current_task": 5], ["sample_error": [:]], ["runtime_state": 1], ["monthly_spend": .double(1e30)], ["runtime_metadata": []],
        ["runtime_metadata": ["idle_timeout_seconds": true]], ["runtime_metadata": ["capabilities": ["session": 1]]],
        ["runtime_metadata": ["capabilities": []]],
    ]

    @Test("wrong types are refused", arguments: wrongFields)
    func wrongTypes(fields: JSONObject) async {
        add()
        #expect(await rig.refusal { _ in _ = try await beat(fields) }?.code == .invalidRequest)
        #expect(rig.book.faults.calls.isEmpty)
    }

    @Test("a beat without, or with another's, token changes nothing and is told to nobody", arguments: [nil, "wrong"])
    func unauthenticated(bearer: String?) async throws {
        add(.offline)
        let expected: ErrorCode = bearer == nil ? .workspaceAuthRequired : .workspaceAuthInvalid
        #expect(await rig.refusal { _ in _ = try await beat(bearer: bearer) }?.code == expected)
        #expect(try row.status == .offline)
        #expect(rig.live.all.isEmpty)
    }

    @Test("a beat from a removed workspace gets 410 and changes nothing")
    func removed() async throws {
        add(.removed)
        #expect(await rig.refusal { _ in _ = try await beat(["active_tasks": 9]) }?.code == .workspaceRemoved)
        #expect(try row.activeTasks == 0)
        #expect(rig.live.all.isEmpty && rig.book.events.isEmpty)
    }

    @Test("a beat of an older generation's container changes nothing, and its agent is told to stop")
    func stale() async throws {
        add(.provisioning)
        var newer = try row
        newer.generation = 2
        rig.book.add(newer)
        let refusal = await #expect(throws: Failure.self) { try await beat() }
        #expect(refusal?.code == .workspaceAuthInvalid && refusal?.details["reason"] == "stale_generation")
        #expect(try row.status == .provisioning)
    }
}
