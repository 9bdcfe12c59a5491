import Glibc

enum BerthVersion {
    static let text = "0.1.0"
}

@main
struct Program {
    static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        let tool = Tool(environment: Machine.environment, output: .standard)
        exit(await tool.run(arguments).rawValue)
    }
}

/// One run of the command line, from arguments to exit code. Environment and output are parameters, so that tests can run it in process.
struct Tool: Sendable {
    let environment: [String: String]
    let output: Output

    func run(_ arguments: [String]) async -> ExitCode {
        let wantsJSON = Invocation.asksForJSON(arguments)
        do {
            switch try Invocation.parse(arguments) {
            case .help(let text), .version(let text): output.line(text)
            case .run(let invocation): return try await run(invocation)
            }
            return .ok
        } catch let error as CommandError {
            output.report(error, json: wantsJSON)
            return error.exitCode
        } catch {
            let failure = CommandError(.failed, code: "internal_error", String(describing: error))
            output.report(failure, json: wantsJSON)
            return failure.exitCode
        }
    }

    private func run(_ invocation: Invocation) async throws -> ExitCode {
        let context = try Context(invocation, environment: environment, output: output)
        defer { context.transport.close() }
        switch invocation.command {
        case .up: return try await UpCommand(context).run()
        case .down: return try await DownCommand(context).run()
        case .status: return try await StatusCommand(context).run()
        case .doctor: return try await DoctorCommand(context).run()
        case .workspacesList: return try await ListCommand(context).run()
        case .workspacesCreate: return try await CreateCommand(context).run()
        case .workspacesGet: return try await GetCommand(context).run()
        case .workspacesDelete: return try await DeleteCommand(context).run()
        case .workspacesLogs: return try await LogsCommand(context).run()
        case .workspacesSend: return try await SendCommand(context).run()
        case .workspacesWatch: return try await WatchCommand(context).run()
        case .workspacesRestart: return try await RestartCommand(context).run()
        case .workspacesPause: return try await PauseCommand(context).run()
        case .workspacesResume: return try await ResumeCommand(context).run()
        case .workspacesHibernate: return try await HibernateCommand(context).run()
        case .workspacesCancel: return try await CancelCommand(context).run()
        case .workspacesUpdate: return try await UpdateCommand(context).run()
        case .workspacesInspect: return try await InspectCommand(context).run()
        case .workspacesOperations: return try await OperationsCommand(context).run()
        case .imagesList: return try await ImageListCommand(context).run()
        case .imagesRefresh: return try await ImageRefreshCommand(context).run()
        case .imagesRollback: return try await ImageRefreshCommand(context, rollback: true).run()
        case .imagesPrune: return try await ImagePruneCommand(context).run()
        case .orphansList: return try await OrphanListCommand(context).run()
        case .orphansAdopt: return try await OrphanActCommand(context, .adopt).run()
        case .orphansRestore: return try await OrphanActCommand(context, .restore).run()
        case .orphansConfirm: return try await OrphanActCommand(context, .confirm).run()
        case .orphansPurge: return try await OrphanActCommand(context, .purge).run()
        case .audit: return try await AuditCommand(context).run()
        case .templatesList: return try await TemplateListCommand(context).run()
        case .templatesLint: return try TemplateLintCommand(context).run()
        }
    }
}
