internal import Model

/// A workspace as a row: one list of columns, written and read in the same order. `event_seq` is not among them: only
/// `Transaction.emit` and the beat statement touch it.
enum WorkspaceRow {
    static let columns = [
        "id", "name", "role", "tier", "status", "cause", "runtime", "template", "model", "image", "external", "parent_id", "generation",
        "provision_started_at", "container_id", "agent_card", "url", "workspace_dir", "workspace_access", "awareness_namespace",
        "max_concurrent_tasks", "active_tasks", "current_task", "uptime_seconds", "last_error_rate", "last_sample_error",
        "last_heartbeat_at", "last_outbound_at", "monthly_spend", "budget_limit", "idle_timeout_seconds", "capabilities",
        "manages_status", "failure_code", "failure_message", "failure_next", "failure_exit_code", "failure_log_tail", "failure_at",
        "hibernation_idle_minutes", "last_work_at", "adopted_at", "image_id", "image_digest", "kept_container_id", "kept_generation",
        "canary",
        "pending_cleanup", "canvas_x", "canvas_y", "collapsed", "created_at",
        "updated_at",
    ]

    static let select = "SELECT \(columns.map { "w.\($0)" }.joined(separator: ", ")) FROM workspaces w"
    static let insert =
        "INSERT INTO workspaces (\(columns.joined(separator: ", "))) VALUES (\(columns.indices.map { "$\($0 + 1)" }.joined(separator: ", ")))"
    /// Gives a row only when it inserted one.
    static let insertIfMissing = "\(insert) ON CONFLICT (id) DO NOTHING RETURNING 1"
    /// The id is `$1`, as in `insert`, so that both take the same parameters.
    static let update =
        "UPDATE workspaces SET \(columns.indices.dropFirst().map { "\(columns[$0]) = $\($0 + 1)" }.joined(separator: ", ")) WHERE id = $1"

    static func values(_ workspace: Workspace) -> [SQLValue] { identity(workspace) + agent(workspace) + outcome(workspace) }

    private static func identity(_ workspace: Workspace) -> [SQLValue] {
        [
            .text(workspace.id.text), .text(workspace.name), SQLValue(workspace.role), SQLValue(workspace.tier),
            .text(workspace.condition.status.rawValue), SQLValue(workspace.condition.cause?.rawValue), .text(workspace.runtime),
            SQLValue(workspace.template), SQLValue(workspace.model), SQLValue(workspace.image), SQLValue(workspace.external),
            SQLValue(workspace.parentID?.text), SQLValue(workspace.generation), SQLValue(workspace.provisionStartedAt?.microseconds),
            SQLValue(workspace.containerID), SQLValue(workspace.agentCard?.text), SQLValue(workspace.url),
            SQLValue(workspace.workspaceDirectory), .text(workspace.workspaceAccess.rawValue), .text(workspace.awarenessNamespace),
        ]
    }

    private static func agent(_ workspace: Workspace) -> [SQLValue] {
        [
            SQLValue(workspace.maxConcurrentTasks), SQLValue(workspace.activeTasks), .text(workspace.currentTask),
            SQLValue(workspace.uptimeSeconds), .real(workspace.lastErrorRate), .text(workspace.lastSampleError),
            SQLValue(workspace.lastHeartbeatAt?.microseconds), SQLValue(workspace.lastOutboundAt?.microseconds),
            .int(workspace.monthlySpend), SQLValue(workspace.budgetLimit), SQLValue(workspace.overrides.idleTimeoutSeconds),
            .text(capabilitiesText(workspace.overrides)), SQLValue(workspace.overrides.has(.statusManagement)),
        ]
    }

    private static func outcome(_ workspace: Workspace) -> [SQLValue] {
        let failure = workspace.failure
        return [
            SQLValue(failure?.code.rawValue), SQLValue(failure?.message), SQLValue(failure?.next), SQLValue(failure?.exitCode),
            SQLValue(failure?.logTail), SQLValue(failure?.at.microseconds), SQLValue(workspace.hibernationIdleMinutes),
            SQLValue(workspace.lastWorkAt?.microseconds), SQLValue(workspace.adoptedAt?.microseconds), SQLValue(workspace.imageVersion?.id),
            SQLValue(workspace.imageVersion?.digest), SQLValue(workspace.kept?.id), SQLValue(workspace.kept?.generation),
            SQLValue(workspace.isCanary), SQLValue(workspace.pendingCleanup),
            .real(workspace.canvasX),
            .real(workspace.canvasY), SQLValue(workspace.collapsed), .int(workspace.createdAt.microseconds),
            .int(workspace.updatedAt.microseconds),
        ]
    }

    static func capabilitiesText(_ overrides: RuntimeOverrides) -> String {
        var object = JSONObject()
        for (name, declared) in overrides.capabilities.sorted(by: { $0.key < $1.key }) { object[name] = .bool(declared) }
        return JSONValue.object(object).text
    }

    /// Reads a row of `select`. Throws `database_invalid` when it holds what no version of this program writes.
    static func workspace(_ row: SQLRow) throws -> Workspace {
        var reader = RowReader(row)
        guard let id = WorkspaceID(reader.text()) else { throw RowReader.damaged }
        let name = reader.text()
        let role = reader.optionalText()
        let tier = reader.int()
        let condition = try condition(status: reader.text(), cause: reader.optionalText())
        var workspace = Workspace(id: id, name: name, runtime: reader.text(), condition: condition, createdAt: Timestamp(microseconds: 0))
        workspace.role = role
        workspace.tier = tier
        readProvision(into: &workspace, &reader)
        readAgent(into: &workspace, &reader)
        readOutcome(into: &workspace, &reader)
        return workspace
    }

    static func condition(status: String, cause: String?) throws -> WorkspaceCondition {
        guard let status = WorkspaceStatus(rawValue: status) else { throw RowReader.damaged }
        return WorkspaceCondition(status, cause.flatMap(ConditionCause.init(rawValue:)))
    }

    private static func readProvision(into workspace: inout Workspace, _ reader: inout RowReader) {
        workspace.template = reader.optionalText()
        workspace.model = reader.optionalText()
        workspace.image = reader.optionalText()
        workspace.external = reader.bool()
        workspace.parentID = reader.optionalText().flatMap(WorkspaceID.init)
        workspace.generation = reader.int()
        workspace.provisionStartedAt = reader.time()
        workspace.containerID = reader.optionalText()
        workspace.agentCard = reader.json()
        workspace.url = reader.optionalText()
        workspace.workspaceDirectory = reader.optionalText()
        workspace.workspaceAccess = WorkspaceAccess(rawValue: reader.text()) ?? .none
        workspace.awarenessNamespace = reader.text()
    }

    private static func readAgent(into workspace: inout Workspace, _ reader: inout RowReader) {
        workspace.maxConcurrentTasks = reader.int()
        workspace.activeTasks = reader.int()
        workspace.currentTask = reader.text()
        workspace.uptimeSeconds = reader.int()
        workspace.lastErrorRate = reader.real()
        workspace.lastSampleError = reader.text()
        workspace.lastHeartbeatAt = reader.time()
        workspace.lastOutboundAt = reader.time()
        workspace.monthlySpend = Int64(reader.int())
        workspace.budgetLimit = reader.optionalInt().map(Int64.init)
        let idleTimeout = reader.optionalInt()
        let declared = reader.json()?.object ?? JSONObject()
        let capabilities = declared.members.map { ($0.key, $0.value.bool ?? false) }
        workspace.overrides = RuntimeOverrides(
            idleTimeoutSeconds: idleTimeout, capabilities: Dictionary(capabilities, uniquingKeysWith: { $1 }))
        // manages_status repeats a capability for the beat statement's sake.
        reader.skip()
    }

    private static func readOutcome(into workspace: inout Workspace, _ reader: inout RowReader) {
        let code = reader.optionalText()
        let message = reader.optionalText()
        let next = reader.optionalText()
        let exitCode = reader.optionalInt()
        let logTail = reader.optionalText()
        let at = reader.time()
        if let code, let message, let at {
            workspace.failure = WorkspaceFailure(
                code: ErrorCode(rawValue: code) ?? .internalError, message: message, next: next, exitCode: exitCode, logTail: logTail,
                at: at)
        }
        workspace.hibernationIdleMinutes = reader.optionalInt()
        workspace.lastWorkAt = reader.time()
        workspace.adoptedAt = reader.time()
        workspace.imageVersion = reader.imageVersion()
        let (kept, keptGeneration) = (reader.optionalText(), reader.int())
        workspace.kept = kept.map { KeptContainer(id: $0, generation: keptGeneration) }
        workspace.isCanary = reader.bool()
        workspace.pendingCleanup = reader.bool()
        workspace.canvasX = reader.real()
        workspace.canvasY = reader.real()
        workspace.collapsed = reader.bool()
        workspace.createdAt = reader.time() ?? workspace.createdAt
        workspace.updatedAt = reader.time() ?? workspace.createdAt
    }
}

/// Takes the values of one row, in order.
struct RowReader {
    private var values: ArraySlice<SQLValue>

    init(_ row: SQLRow) { values = row[...] }

    static let damaged = StoreError(
        .databaseInvalid, "the database holds a row that this program cannot read", next: "Restore the database from a backup.")

    mutating func skip() { _ = values.popFirst() }
    mutating func optionalText() -> String? { values.popFirst()?.text }
    mutating func text() -> String { optionalText() ?? "" }
    mutating func optionalInt() -> Int? { values.popFirst()?.int.map(Int.init) }
    mutating func int() -> Int { optionalInt() ?? 0 }
    mutating func bool() -> Bool { int() != 0 }
    mutating func real() -> Double { values.popFirst()?.real ?? 0 }
    mutating func time() -> Timestamp? { optionalInt().map { Timestamp(microseconds: Int64($0)) } }
    mutating func json() -> JSONValue? { optionalText().flatMap { try? JSONValue(parsing: $0) } }
}
