import Model
import Synchronization

/// The steps a provision reports, in order.
enum ProvisionPhase: String, Sendable {
    case network, image, volumes, create, copy, start
    /// Waiting for the agent; ends with the event that brings the workspace online, or with a failure.
    case agent
}

/// Tells the story of one provision as durable events, each step with its time.
struct ProvisionJournal: Sendable {
    let id: WorkspaceID
    let records: any ProvisionRecording
    let live: any EventPublishing
    let clock: any TimeSource
    let began: Timestamp

    func phase<Result: Sendable>(_ phase: ProvisionPhase, _ body: () async throws -> Result) async throws -> Result {
        try Task.checkCancellation()
        let start = clock.now()
        try await note(phase, "started", since: began)
        let result = try await body()
        try await note(phase, "done", since: start)
        return result
    }

    func started(_ phase: ProvisionPhase) async throws { try await note(phase, "started", since: began) }

    /// `elapsed_ms` of a start counts from the beginning of the provision, that of an end from its own start.
    private func note(_ phase: ProvisionPhase, _ state: String, since start: Timestamp) async throws {
        let elapsed = (clock.now() - start).milliseconds
        try await records.append(
            .provisionProgress, payload: ["phase": .string(phase.rawValue), "state": .string(state), "elapsed_ms": .int(elapsed)], to: id)
    }

    /// Passes on how far a pull is, to whoever watches now, at most five times a second. Bytes are not history: nothing is stored.
    func pullReporter() -> @Sendable (PullProgress) -> Void {
        let lastTold = Mutex<Timestamp?>(nil)
        return { [id, live, clock] progress in
            let now = clock.now()
            let due = lastTold.withLock { last in
                if let last, now - last < .milliseconds(200) { return false }
                last = now
                return true
            }
            guard due else { return }
            let payload: JSONObject = [
                "phase": "image", "state": "progress", "status": .string(progress.status), "done_bytes": .int(progress.doneBytes),
                "total_bytes": .int(progress.totalBytes),
            ]
            live.publish([WorkspaceEvent(workspaceID: id, sequence: nil, kind: .provisionProgress, at: now, payload: payload)])
        }
    }
}
