import Model
import Synchronization

/// The steps a provision reports, in order.
enum ProvisionPhase: String, Sendable {
    case network, image, volumes, create, copy, start
    /// Waiting for the agent; ends with the event that brings the workspace online, or with a failure.
    case agent
}

/// Tells the story of one provision as durable events, each step with its time. The end of a step is committed together with the start of
/// the next: both are known at the same moment, and a commit costs a wait for the disk between two engine calls.
final class ProvisionJournal: Sendable {
    private let id: WorkspaceID
    private let records: any ProvisionRecording
    private let live: any EventPublishing
    private let clock: any TimeSource
    private let began: Timestamp
    private let ended: Mutex<JSONObject?> = Mutex(nil)

    init(id: WorkspaceID, records: any ProvisionRecording, live: any EventPublishing, clock: any TimeSource, began: Timestamp) {
        self.id = id
        self.records = records
        self.live = live
        self.clock = clock
        self.began = began
    }

    func phase<Result: Sendable>(_ phase: ProvisionPhase, _ body: () async throws -> Result) async throws -> Result {
        try Task.checkCancellation()
        let start = clock.now()
        try await started(phase)
        let result = try await body()
        let done = note(phase, "done", since: start)
        ended.withLock { $0 = done }
        return result
    }

    func started(_ phase: ProvisionPhase) async throws {
        let former = ended.withLock { ended in
            defer { ended = nil }
            return ended
        }
        let notes = [former, note(phase, "started", since: began)].compactMap { $0 }
        try await records.append(notes.map { (.provisionProgress, $0) }, to: id)
    }

    /// `elapsed_ms` of a start counts from the beginning of the provision, that of an end from its own start.
    private func note(_ phase: ProvisionPhase, _ state: String, since start: Timestamp) -> JSONObject {
        ["phase": .string(phase.rawValue), "state": .string(state), "elapsed_ms": .int((clock.now() - start).milliseconds)]
    }

    /// Passes on how far a pull is, to whoever watches now, at most five times a second. Bytes are not history: nothing is stored.
    func pullReporter() -> @Sendable (PullReport) -> Void {
        let told = Mutex<(at: Timestamp, stalled: Bool)?>(nil)
        return { [id, live, clock] report in
            let now = clock.now()
            let due = told.withLock { told in
                if let told, told.stalled == report.isStalled, now - told.at < .milliseconds(200) { return false }
                told = (now, report.isStalled)
                return true
            }
            guard due else { return }
            live.publish([
                WorkspaceEvent(workspaceID: id, sequence: nil, kind: .provisionProgress, at: now, payload: Self.payload(of: report))
            ])
        }
    }

    private static func payload(of report: PullReport) -> JSONObject {
        let progress = report.progress
        var payload: JSONObject = [
            "phase": "image", "state": report.isStalled ? "stalled" : "progress", "status": .string(progress.status),
            "done_bytes": .int(progress.doneBytes), "total_bytes": .int(progress.totalBytes), "layers_done": .int(progress.layersDone),
            "layers_total": .int(progress.layersTotal),
        ]
        if let rate = report.bytesPerSecond { payload["bytes_per_second"] = .int(rate) }
        if let seconds = report.secondsLeft { payload["seconds_left"] = .int(seconds) }
        return payload
    }
}
