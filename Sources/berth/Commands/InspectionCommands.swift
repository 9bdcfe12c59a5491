import Model

/// `berth workspaces inspect`.
struct InspectCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let inspection = try await context.daemon.get("/workspaces/\(context.workspaceID())/inspect")
        if context.json { context.output.json(inspection) } else { context.output.line(InspectionText.details(inspection)) }
        return .ok
    }
}

/// `berth workspaces operations`.
struct OperationsCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let limit = try context.invocation.number("--limit").map { "?limit=\($0)" } ?? ""
        let answer = try await context.daemon.get("/workspaces/\(context.workspaceID())/operations" + limit)
        if context.json {
            context.output.json(answer)
        } else {
            context.output.line(InspectionText.operations(answer["operations"]?.array ?? []))
        }
        return .ok
    }
}
