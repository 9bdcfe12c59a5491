import Model
import Synchronization

/// The wait for a workspace's agent, with every step shown.
struct Arrival {
    private enum Outcome: Sendable {
        case online
        case failed
        case removed
        case stopped
        case timedOut
        case streamEnded
    }

    let context: Context
    let workspaceID: String
    /// The last event that is no news; "0" when everything is.
    let lastEventID: String

    init(_ context: Context, workspaceID: String, after lastEventID: String = "0") {
        self.context = context
        self.workspaceID = workspaceID
        self.lastEventID = lastEventID
    }

    /// Returns once the agent is online. Throws why it is not.
    func wait(seconds: Int) async throws {
        let screen = ProgressScreen(
            context.output, ProgressText(isTerminal: context.output.isTerminal, provisionTimeoutMilliseconds: await provisionTimeout()))
        let outcome = try await withThrowingTaskGroup(of: Outcome.self) { group in
            group.addTask { try await follow(on: screen) }
            if context.output.isTerminal { group.addTask { try await countDown(on: screen) } }
            group.addTask {
                try await Task.sleep(for: .seconds(seconds))
                return .timedOut
            }
            defer { group.cancelAll() }
            return try await group.next() ?? .streamEnded
        }
        switch outcome {
        case .online: return
        case .failed: throw await failure()
        case .removed: throw CommandError(.failed, code: ErrorCode.workspaceRemoved.rawValue, "the workspace was removed meanwhile")
        case .stopped:
            throw CommandError(
                .notOnline, code: ErrorCode.workspaceUnavailable.rawValue, "the workspace was stopped meanwhile",
                next: "'berth workspaces resume \(workspaceID)' starts it again.")
        case .timedOut:
            throw CommandError(
                .notOnline, code: "timed_out", "the agent was not online within \(seconds) s",
                next: "The workspace goes on: 'berth workspaces watch \(workspaceID)' follows it.")
        case .streamEnded:
            throw CommandError(
                .notOnline, code: "stream_ended", "the daemon ended the event stream",
                next: "'berth workspaces get \(workspaceID)' says how it stands.")
        }
    }

    private func follow(on screen: ProgressScreen) async throws -> Outcome {
        var outcome = Outcome.streamEnded
        try await EventStream(daemon: context.daemon, workspaceID: workspaceID).follow(after: lastEventID) { event in
            screen.draw { $0.text(for: event) }
            switch EventKind(rawValue: event.type) {
            case .online: outcome = .online
            case .provisionFailed: outcome = .failed
            case .removed: outcome = .removed
            case .paused, .hibernated: outcome = .stopped
            case .provisioning, .provisionProgress, .awaitingAgent, .offline, .degraded, .adopted, .updated, .agentCardUpdated,
                .taskUpdated, .heartbeat, .activityLogged, .agentMessage, nil:
                return true
            }
            return false
        }
        screen.draw { $0.finish() }
        return outcome
    }

    /// In milliseconds: how long the daemon gives the agent. Good to know, and worth neither failing nor waiting for.
    private func provisionTimeout() async -> Int? {
        await withTaskGroup(of: Int?.self) { group in
            group.addTask { (try? await context.daemon.get("/workspaces/\(workspaceID)"))?["provision_timeout_ms"]?.int }
            group.addTask {
                // Cut short by the answer.
                try? await Task.sleep(for: .seconds(1))
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
    }

    /// Ends only by being cancelled.
    private func countDown(on screen: ProgressScreen) async throws -> Outcome {
        while true {
            try await Task.sleep(for: .seconds(1))
            screen.draw { $0.secondPassed() }
        }
    }

    private func failure() async -> CommandError {
        // Without the row's own account, the event's line above must do.
        let workspace = try? await context.daemon.get("/workspaces/\(workspaceID)")
        guard let failure = workspace?["failure"] else {
            return CommandError(
                .failed, code: "provision_failed", "the workspace failed", next: "'berth workspaces get \(workspaceID)' says why.")
        }
        if let tail = failure["log_tail"]?.string, !tail.isEmpty {
            let lines = tail.split(separator: "\n").map { "  | " + WorkspaceText.printable(String($0)) + "\n" }
            context.output.progress("last lines of its container:\n" + lines.joined())
        }
        let code = failure["code"]?.string ?? "provision_failed"
        return CommandError(
            code == ErrorCode.registerTimeout.rawValue ? .notOnline : .failed, code: code,
            failure["message"]?.string ?? "the workspace failed",
            next: failure["next"]?.string)
    }
}

/// Progress that two tasks write to.
private final class ProgressScreen: Sendable {
    private let output: Output
    private let text: Mutex<ProgressText>

    init(_ output: Output, _ text: ProgressText) {
        self.output = output
        self.text = Mutex(text)
    }

    func draw(_ next: (inout ProgressText) -> String) {
        text.withLock { text in
            let written = next(&text)
            if !written.isEmpty { output.progress(written) }
        }
    }
}
