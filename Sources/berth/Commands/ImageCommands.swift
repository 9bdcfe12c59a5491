import HTTP
import Model

/// `berth images list`.
struct ImageListCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let answer = try await context.daemon.get(ImagePath.root)
        if context.json { context.output.json(answer) } else { context.output.line(ImageText.list(answer["images"]?.array ?? [])) }
        return .ok
    }
}

enum ImagePath {
    static let root = "/admin/workspace-images"

    /// A refresh answers when all is done.
    static let patient = ExchangeLimits(connect: .seconds(5))
}

/// `berth images refresh` and `berth images rollback`.
struct ImageRefreshCommand {
    let context: Context
    let isRollback: Bool

    init(_ context: Context, rollback: Bool = false) {
        self.context = context
        isRollback = rollback
    }

    func run() async throws -> ExitCode {
        let runtimes = context.invocation.operands("RUNTIME")
        let answers = try await withThrowingTaskGroup(of: JSONValue?.self) { group in
            group.addTask { try await self.showProgress() }
            defer { group.cancelAll() }
            var answers: [JSONValue] = []
            for path in paths(runtimes) { answers.append(try await ask(path)) }
            return answers
        }
        let answer = ImageText.merged(answers)
        if context.json { context.output.json(answer) } else { context.output.line(ImageText.outcomes(answer)) }
        return (answer["failed"]?.array ?? []).isEmpty ? .ok : .failed
    }

    private func paths(_ runtimes: [String]) -> [String] {
        let options = "recreate=\(context.invocation.has("--recreate"))&dry_run=\(context.invocation.has("--dry-run"))"
        let verb = "\(ImagePath.root)/\(isRollback ? "rollback" : "refresh")?\(options)"
        return runtimes.isEmpty ? [verb] : runtimes.map { "\(verb)&runtime=\(PercentCoding.encoded($0))" }
    }

    private func ask(_ path: String) async throws -> JSONValue {
        let response = try await context.daemon.open(.post, path, limits: ImagePath.patient)
        let bytes = try await context.daemon.reporting { try await response.body.collect(limit: 32 << 20) }
        let body = try? JSONValue(parsing: bytes)
        guard response.status == 200, let body else { throw DaemonClient.refusal(response.status, body, at: context.daemon.baseURL) }
        return body
    }

    /// What is under way, once a second, until the answer is there.
    private func showProgress() async throws -> JSONValue? {
        guard !context.json, !context.invocation.has("--dry-run") else { return nil }
        var shown: [String: String] = [:]
        while !Task.isCancelled {
            try await Task.sleep(for: .seconds(1))
            guard let images = try? await context.daemon.get(ImagePath.root)["images"]?.array else { continue }
            for image in images {
                guard let reference = image["image"]?.string, let text = ImageText.progress(image), shown[reference] != text else {
                    continue
                }
                shown[reference] = text
                context.output.progress(text + "\n")
            }
        }
        return nil
    }
}

/// `berth images prune`.
struct ImagePruneCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let answer = try await context.daemon.call(.post, "\(ImagePath.root)/prune?dry_run=\(context.invocation.has("--dry-run"))")
        if context.json { context.output.json(answer) } else { context.output.line(ImageText.pruned(answer)) }
        return .ok
    }
}
