import Model

extension WorkspaceChange {
    /// Reads the body of `PATCH /workspaces/:id`. Every type is judged before anything is written; what the values mean is the provisioner's
    /// business. `budget_limit` is not read: an admin sets it by a route of its own.
    init(decoding body: JSONValue) throws {
        let fields = try BodyFields(body, refusal: "invalid request body")
        self.init()
        try readCosmetic(fields)
        tier = try fields.int("tier")
        runtime = try fields.text("runtime")
        model = try fields.clearableText("model")
        image = try fields.text("image") ?? fields.object("runtime_config")?.text("image")
        parentID = try Self.parent(fields)
        workspaceDirectory = try fields.clearableText("workspace_dir")
        workspaceAccess = try Self.access(fields)
        maxConcurrentTasks = try fields.int("max_concurrent_tasks")
        // 0 has always meant never.
        hibernationIdleMinutes = try fields.clearableInt("hibernation_idle_minutes").map { $0 == 0 ? nil : $0 }
    }

    /// A place on the canvas has two coordinates: one alone is not a place, and changes nothing.
    private mutating func readCosmetic(_ fields: BodyFields) throws {
        name = try fields.string("name")
        role = try fields.clearableText("role")
        collapsed = try fields.bool("collapsed")
        guard let x = try fields.double("x"), let y = try fields.double("y") else { return }
        (canvasX, canvasY) = (x, y)
    }

    private static func parent(_ fields: BodyFields) throws -> WorkspaceID?? {
        guard let given = try fields.clearableString("parent_id") else { return nil }
        guard let text = given else { return .some(nil) }
        guard let id = WorkspaceID(text) else { throw fields.wrongType("parent_id", "a workspace id, or null for none") }
        return id
    }

    private static func access(_ fields: BodyFields) throws -> WorkspaceAccess? {
        guard let text = try fields.text("workspace_access") else { return nil }
        guard let access = WorkspaceAccess(rawValue: text) else {
            throw Failure(
                .invalidField, "invalid workspace access",
                next: "'workspace_access' must be \(WorkspaceAccess.allCases.map(\.rawValue).joined(separator: ", ")).",
                details: ["field": "workspace_access"])
        }
        return access
    }
}

extension BodyFields {
    /// As `clearableString`; a string that says nothing clears too.
    func clearableText(_ key: String) throws -> String?? { try clearableString(key).map { $0.flatMap { $0.isEmpty ? nil : $0 } } }
}
