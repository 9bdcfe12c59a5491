/// Runs a command for each message: the text is its standard input, its standard output is the reply.
struct CommandHandler: MessageHandler {
    /// A reply above this is a failure: the platform would refuse to pass it on.
    static let longestReply = 8 * 1024 * 1024

    let command: AgentConfiguration.Command
    let isGradual = true

    func reply(to text: String) -> AsyncThrowingStream<String, any Error> {
        let events = ChildProcess.run(
            command.arguments, input: Array(text.utf8), timeout: .seconds(command.timeoutSeconds), longestOutput: Self.longestReply)
        return AsyncThrowingStream { continuation in
            let task = Task {
                var chunks = UTF8Chunks()
                for await event in events {
                    switch event {
                    case .output(let bytes):
                        let text = chunks.feed(bytes)
                        if !text.isEmpty { continuation.yield(text) }
                    case .ended(let ending):
                        let rest = chunks.finish()
                        if !rest.isEmpty { continuation.yield(rest) }
                        continuation.finish(throwing: failure(of: ending))
                    }
                }
                // The events end without `ended` only when nobody listens any more.
                continuation.finish(throwing: CancellationError())
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    private func failure(of ending: ChildProcess.Ending) -> HandlerFailure? {
        let program = command.arguments[0]
        switch ending {
        case .exited(0, _): return nil
        case .exited(let code, let errors): return HandlerFailure(reason: "the command ended with code \(code)\(Self.quoted(errors))")
        case .signalled(let number, let errors):
            return HandlerFailure(reason: "the command was ended by signal \(number)\(Self.quoted(errors))")
        case .timedOut: return HandlerFailure(reason: "the command did not end within \(command.timeoutSeconds) s")
        case .tooMuchOutput: return HandlerFailure(reason: "the command wrote more than \(Self.longestReply >> 20) MiB")
        case .notStarted(let reason): return HandlerFailure(reason: "\(program) could not be started: \(reason)")
        }
    }

    /// The last line a command wrote about its trouble.
    private static func quoted(_ errors: [UInt8]) -> String {
        let line = String(decoding: errors, as: UTF8.self).split(whereSeparator: \.isNewline).last.map(String.init) ?? ""
        return line.isEmpty ? "" : ": \(line.prefix(300))"
    }
}
