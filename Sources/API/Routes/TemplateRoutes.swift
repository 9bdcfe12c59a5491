import HTTP
import Model

/// `GET /templates`: what a workspace can be made from. A broken template is listed too, with the lines that break it.
struct TemplateRoutes: Sendable {
    let templates: any TemplateSource

    var routes: [Route] {
        [
            Route(.get, "/templates", for: .admin) { _ in
                let catalog = await templates.catalog()
                let good = catalog.templates.map { ($0.id, Self.element($0)) }
                let broken = catalog.broken.map { ($0.key, Self.broken($0.key, $0.value)) }
                return .json(200, .array((good + broken).sorted { $0.0 < $1.0 }.map(\.1)))
            }
        ]
    }

    private static func element(_ template: Template) -> JSONValue {
        var object: JSONObject = [
            "id": .string(template.id),
            "name": .string(template.name),
            "description": .string(template.description),
            "tier": .int(template.tier ?? 0),
            "runtime": .string(template.runtime),
            "model": .string(template.model ?? ""),
        ]
        if !template.models.isEmpty { object["models"] = .array(template.models.map(model)) }
        if !template.requiredEnv.isEmpty { object["required_env"] = .array(template.requiredEnv.map(JSONValue.string)) }
        object["skills"] = .array(template.skills.map(JSONValue.string))
        object["skill_count"] = .int(template.skills.count)
        if let seconds = template.provisionTimeoutSeconds { object["provision_timeout_seconds"] = .int(seconds) }
        object["image"] = .optional(template.image)
        object["valid"] = true
        object["problems"] = .array(template.warnings.map { problem($0, of: template.id) })
        return .object(object)
    }

    private static func broken(_ id: String, _ problems: [TemplateProblem]) -> JSONValue {
        [
            "id": .string(id), "name": .string(id), "description": "", "tier": 0, "runtime": "", "model": "", "skills": [],
            "skill_count": 0,
            "image": .null, "valid": false, "problems": .array(problems.map { problem($0, of: id) }),
        ]
    }

    private static func model(_ model: TemplateModel) -> JSONValue {
        var object: JSONObject = ["id": .string(model.id)]
        if let name = model.name { object["name"] = .string(name) }
        if !model.requiredEnv.isEmpty { object["required_env"] = .array(model.requiredEnv.map(JSONValue.string)) }
        return .object(object)
    }

    /// The file is named from the template's directory on: where that lies on the host is nobody's business.
    private static func problem(_ problem: TemplateProblem, of id: String) -> JSONValue {
        let file = problem.file.split(separator: "/").last.map(String.init) ?? "config.yaml"
        return [
            "severity": .string(problem.severity.rawValue), "file": .string("\(id)/\(file)"), "line": .int(problem.line),
            "column": .int(problem.column), "key": .string(problem.key), "message": .string(problem.message),
        ]
    }
}
