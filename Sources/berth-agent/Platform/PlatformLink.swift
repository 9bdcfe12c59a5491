import Model

/// Keeps the platform informed: registers, then beats, for as long as the process lives or the workspace exists.
struct PlatformLink: Sendable {
    /// What an agent may take over from the platform. This one takes over nothing.
    static let capabilities: JSONValue = [
        "heartbeat": false, "scheduler": false, "session": false, "status_mgmt": false, "retry": false, "activity_decoration": false,
        "channel_dispatch": false,
    ]
    /// Changes of tasks are pushed at once, but no faster than this.
    static let shortestPause: Duration = .milliseconds(250)

    let client: PlatformClient
    let board: TaskBoard
    let interval: Duration
    let clock: any TimeSource
    let random: any RandomSource
    let log: any LogSink
    let startedAt: Timestamp

    /// Returns when the platform says that the workspace is gone; throws `CancellationError` when cancelled.
    func run(url: String, card: JSONValue) async throws {
        guard try await register(url: url, card: card) else { return }
        try await beatUntilRemoved()
    }

    /// False when the workspace was removed.
    private func register(url: String, card: JSONValue) async throws -> Bool {
        var backoff = Backoff(first: .milliseconds(500), longest: .seconds(30))
        var failures = 0
        while true {
            switch await client.register(url: url, card: card) {
            case .accepted:
                log.info("registered", ("url", url))
                return true
            case .removed:
                log.info("the workspace was removed")
                return false
            case .unauthorized: reportFailure("not registered", "the token was refused", &failures)
            case .failed(let reason): reportFailure("not registered", reason, &failures)
            }
            try await clock.sleep(for: backoff.next(random))
        }
    }

    private func beatUntilRemoved() async throws {
        var backoff = Backoff(first: .seconds(1), longest: interval)
        var failures = 0
        var changes = board.changes.makeAsyncIterator()
        while true {
            try Task.checkCancellation()
            switch await client.beat(beat()) {
            case .accepted:
                if failures > 0 { log.info("heartbeats are accepted again", ("failures", String(failures))) }
                failures = 0
                backoff.reset()
                try await clock.sleep(for: Self.shortestPause)
                let timer = wake(after: interval - Self.shortestPause)
                await changes.next()
                timer.cancel()
            case .removed:
                log.info("the workspace was removed")
                return
            case .unauthorized:
                reportFailure("heartbeat failed", "the token was refused", &failures)
                try await clock.sleep(for: backoff.next(random))
            case .failed(let reason):
                reportFailure("heartbeat failed", reason, &failures)
                try await clock.sleep(for: backoff.next(random))
            }
        }
    }

    /// The next beat comes when the tasks change, and after `pause` at the latest.
    private func wake(after pause: Duration) -> Task<Void, any Error> {
        Task {
            try await clock.sleep(for: pause)
            board.wake()
        }
    }

    /// Every beat is whole: a platform that reads an absent field as "nothing" must not forget what the last one said.
    private func beat() -> JSONValue {
        let state = board.snapshot()
        return [
            "workspace_id": .string(client.workspaceID), "error_rate": .double(state.errorRate),
            "sample_error": .string(state.sampleError), "active_tasks": .int(state.activeTasks), "current_task": .string(state.currentTask),
            "uptime_seconds": .int((clock.now() - startedAt).secondsRounded), "runtime_metadata": ["capabilities": Self.capabilities],
        ]
    }

    /// The first three failures in a row and then each tenth: a platform that is away for a night must not fill the log.
    private func reportFailure(_ message: String, _ reason: String, _ failures: inout Int) {
        failures += 1
        if failures <= 3 || failures.isMultiple(of: 10) { log.warning(message, ("reason", reason), ("failures", String(failures))) }
    }
}
