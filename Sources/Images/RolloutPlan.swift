import Model

/// Who is replaced when an image has a new version, and who is left alone and why. Rows and containers in, decision out.
struct RolloutPlan: Sendable {
    /// In the order they are replaced.
    private(set) var replaced: [Workspace] = []
    private(set) var skipped: [RefreshSkip] = []
    /// Those that run the version already.
    private(set) var onTarget = 0
    /// Whether some are just being made, or tried on: what becomes of them is not known yet.
    private(set) var isUnsettled = false

    /// `containers` are this installation's own, by full label match; the engine's own image id says what each runs.
    init(rows: [Workspace], containers: [ContainerFacts], target: ImageVersion) {
        let running = Dictionary(containers.map { ($0.id, $0.imageID) }) { $1 }
        for row in rows.sorted(by: { ($0.name, $0.id.text) < ($1.name, $1.id.text) }) {
            let imageID = row.containerID.flatMap { running[$0] } ?? row.imageVersion?.id
            if row.kept != nil {
                // It may run the version, and may yet be put back.
                skipped.append(RefreshSkip(name: row.name, reason: "its trial of another version is not over"))
                isUnsettled = true
            } else if imageID == target.id {
                onTarget += 1
            } else if let reason = Self.reasonToSkip(row) {
                skipped.append(RefreshSkip(name: row.name, reason: reason))
                isUnsettled = isUnsettled || row.status == .provisioning
            } else {
                replaced.append(row)
            }
        }
    }

    /// What rests keeps its container: it is on the old version until somebody restarts it.
    private static func reasonToSkip(_ row: Workspace) -> String? {
        switch row.status {
        case .online, .degraded: nil
        case .paused: "it is paused"
        case .hibernated, .hibernating: "it hibernates"
        case .provisioning: "it is being made"
        case .offline: "it is offline"
        case .failed: "it has failed"
        case .awaitingAgent: "its agent lives elsewhere"
        case .removed: "it is removed"
        }
    }
}
