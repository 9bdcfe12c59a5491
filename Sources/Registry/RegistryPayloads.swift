import Model

/// What the registry's bodies say, decoded as the public clients' server read them: key case does not matter, unknown keys are ignored,
/// null is the same as absent, and a wrong type is refused.
struct RegisterPayload {
    let id: WorkspaceID
    let url: String
    let agentCard: JSONValue

    init(_ body: JSONValue) throws {
        let fields = try PayloadFields(body)
        id = try fields.workspaceID("id")
        url = try fields.requiredText("url")
        agentCard = try fields.agentCard()
    }
}

struct CardPayload {
    let workspaceID: WorkspaceID
    let agentCard: JSONValue

    init(_ body: JSONValue) throws {
        let fields = try PayloadFields(body)
        workspaceID = try fields.workspaceID("workspace_id")
        agentCard = try fields.agentCard()
    }
}

/// One beat. Whatever is absent stays as it was: partial beats (a task that starts, a status script) must not erase what full ones said.
struct HeartbeatPayload {
    let workspaceID: WorkspaceID
    let errorRate: Double?
    let sampleError: String?
    let activeTasks: Int?
    let uptimeSeconds: Int?
    let currentTask: String?
    let monthlySpend: Int64?
    let overrides: RuntimeOverrides?
    let wedged: Bool?

    /// 10 billion US dollars in cents: more is a mistake of the sender.
    static let largestSpend = 1_000_000_000_000
    static let longestText = 4096

    init(_ body: JSONValue) throws {
        let fields = try PayloadFields(body)
        workspaceID = try fields.workspaceID("workspace_id")
        errorRate = try fields.number("error_rate").map { min(max($0, 0), 1) }
        sampleError = try fields.text("sample_error").map { $0.storable(atMost: Self.longestText) }
        activeTasks = try fields.integer("active_tasks").map(Self.counter)
        uptimeSeconds = try fields.integer("uptime_seconds").map(Self.counter)
        currentTask = try fields.text("current_task").map { $0.storable(atMost: Self.longestText) }
        monthlySpend = try fields.integer("monthly_spend").flatMap { $0 > 0 ? Int64(min($0, Self.largestSpend)) : nil }
        overrides = try fields.object("runtime_metadata").map { try Self.overrides($0) }
        let state = try fields.text("runtime_state")
        let saysAll = overrides != nil || (uptimeSeconds ?? 0) > 0
        wedged = state.map { $0 == "wedged" } ?? (saysAll ? false : nil)
    }

    /// Columns of 32 bits hold these.
    private static func counter(_ value: Int) -> Int { min(max(value, 0), Int(Int32.max)) }

    private static func overrides(_ fields: PayloadFields) throws -> RuntimeOverrides {
        var capabilities: [String: Bool] = [:]
        for member in try fields.object("capabilities")?.members ?? [] {
            guard let value = member.value.bool else { throw PayloadFields.wrongType("capabilities.\(member.key)", "true or false") }
            capabilities[member.key.storable(atMost: 64)] = value
        }
        guard capabilities.count <= 64 else { throw PayloadFields.wrongType("capabilities", "an object of at most 64 members") }
        return RuntimeOverrides(idleTimeoutSeconds: try fields.integer("idle_timeout_seconds"), capabilities: capabilities)
    }

    func beat(tokenHash: [UInt8]) -> Beat {
        let declared = overrides?.has(.statusManagement)
        var beat = Beat(
            workspaceID: workspaceID, tokenHash: tokenHash, moves: moves(selfManaged: declared ?? false),
            movesWhenSelfManaged: moves(selfManaged: declared ?? true))
        beat.errorRate = errorRate
        beat.sampleError = sampleError
        beat.activeTasks = activeTasks
        beat.uptimeSeconds = uptimeSeconds
        beat.currentTask = currentTask
        beat.monthlySpend = monthlySpend
        beat.overrides = overrides
        return beat
    }

    private func moves(selfManaged: Bool) -> [WorkspaceCondition: WorkspaceStatusMachine.Transition] {
        WorkspaceStatusMachine.beatTable(
            BeatSignal(wedged: wedged, errorRate: errorRate, managesOwnStatus: selfManaged, sampleError: sampleError ?? ""))
    }
}
