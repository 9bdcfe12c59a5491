import Model
import Templates

/// `berth templates list`.
struct TemplateListCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let templates = try await context.daemon.get("/templates")
        if context.json { context.output.json(templates) } else { context.output.line(Self.text(templates.array ?? [])) }
        return .ok
    }

    static func text(_ templates: [JSONValue]) -> String {
        guard !templates.isEmpty else { return "no templates" }
        return Table.text(
            ["id", "runtime", "tier", "valid", "description"],
            templates.map { template in
                let valid = template["valid"]?.bool != false
                let problem = template["problems"]?[0].flatMap { "\($0["line"]?.number?.text ?? "?"): \($0["message"]?.string ?? "")" }
                let description = valid ? template["description"]?.string ?? "" : "line " + (problem ?? "?")
                return [
                    template["id"]?.string ?? "", template["runtime"]?.string ?? "", template["tier"]?.number?.text ?? "",
                    valid ? "yes" : "no",
                    WorkspaceText.printable(description),
                ]
            })
    }
}

/// `berth templates lint`.
struct TemplateLintCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() throws -> ExitCode {
        let path = context.invocation.operand("PATH") ?? context.environment["CONFIGS_DIR"] ?? "templates"
        let problems = TemplateLint.check(path: path)
        let failed = problems.contains { $0.severity == .error }
        if context.json {
            context.output.json(["valid": .bool(!failed), "problems": .array(problems.map(Self.json))])
        } else {
            for problem in problems { context.output.line("\(problem.place): \(problem.severity.rawValue): \(problem.message)") }
            if problems.isEmpty { context.output.line("\(path): nothing wrong") }
        }
        return failed ? .failed : .ok
    }

    private static func json(_ problem: TemplateProblem) -> JSONValue {
        [
            "severity": .string(problem.severity.rawValue), "file": .string(problem.file), "line": .int(problem.line),
            "column": .int(problem.column), "key": .string(problem.key), "message": .string(problem.message),
        ]
    }
}
