/// What the shell sees. `berth --help` documents these numbers; scripts rely on them.
enum ExitCode: Int32, CaseIterable, Sendable {
    case ok = 0
    case failed = 1
    case usage = 2
    case unreachable = 3
    case unauthorised = 4
    case notFound = 5
    case notOnline = 6

    var meaning: String {
        switch self {
        case .ok: "done"
        case .failed: "the operation failed"
        case .usage: "the command line is wrong"
        case .unreachable: "the daemon cannot be reached"
        case .unauthorised: "the token is missing or wrong"
        case .notFound: "there is no such thing"
        case .notOnline: "timed out, or the agent is not online"
        }
    }
}

/// Why a command ended: a stable code, a sentence, and what to do next.
struct CommandError: Error, Sendable, Equatable {
    let exitCode: ExitCode
    let code: String
    let message: String
    let next: String?

    init(_ exitCode: ExitCode, code: String, _ message: String, next: String? = nil) {
        self.exitCode = exitCode
        self.code = code
        self.message = message
        self.next = next
    }

    static func usage(_ message: String, of command: CommandName? = nil) -> CommandError {
        CommandError(.usage, code: "usage", message, next: "berth \(command.map { $0.rawValue + " " } ?? "")--help")
    }
}
