import Model
import Provisioner

extension CreateWorkspace {
    static let refusal = "invalid workspace payload"

    /// Reads the body of `POST /workspaces`. Only types are judged here; what the values mean is the provisioner's business.
    init(decoding body: JSONValue) throws {
        let fields = try BodyFields(body, refusal: Self.refusal)
        guard let name = try fields.string("name"), !name.isEmpty else {
            throw Failure(.invalidRequest, Self.refusal, next: "'name' is required.", details: ["field": "name"])
        }
        self.init(name: name)
        role = try fields.text("role")
        template = try fields.text("template")
        runtime = try fields.text("runtime")
        model = try fields.text("model")
        image = try fields.text("image") ?? fields.object("runtime_config")?.text("image")
        tier = try fields.int("tier").flatMap { $0 == 0 ? nil : $0 }
        external = try fields.bool("external") ?? false
        url = try fields.text("url")
        workspaceDirectory = try fields.text("workspace_dir")
        workspaceAccess = try fields.text("workspace_access")
        parentID = try Self.parent(fields)
        budgetLimit = try fields.int("budget_limit").map(Int64.init)
        secrets = try fields.strings("secrets")
        secretFiles = try fields.strings("secret_files")
        maxConcurrentTasks = try fields.int("max_concurrent_tasks").flatMap { $0 > 0 ? $0 : nil }
        canvasX = try fields.object("canvas")?.double("x") ?? 0
        canvasY = try fields.object("canvas")?.double("y") ?? 0
    }

    private static func parent(_ fields: BodyFields) throws -> WorkspaceID? {
        guard let text = try fields.text("parent_id") else { return nil }
        guard let id = WorkspaceID(text) else {
            throw Failure(.invalidRequest, refusal, next: "'parent_id' must be a workspace id.", details: ["field": "parent_id"])
        }
        return id
    }
}

extension BodyFields {
    /// A string that says something: existing clients send "" for what they leave open.
    func text(_ key: String) throws -> String? { try string(key).flatMap { $0.isEmpty ? nil : $0 } }
}
