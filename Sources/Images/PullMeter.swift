import Model

/// Rate and time left of one pull, from its progress lines. Pure: time is handed in.
struct PullMeter {
    private struct Sample {
        let at: Timestamp
        let bytes: Int64
    }

    /// Rates are taken over this long: shorter ones jump, longer ones lie.
    private static let window: Duration = .seconds(10)

    private var samples: [Sample] = []
    private(set) var last = PullProgress(status: "waiting for the registry", doneBytes: 0, totalBytes: 0)
    private(set) var movedAt: Timestamp

    init(startedAt: Timestamp) { movedAt = startedAt }

    mutating func add(_ progress: PullProgress, at now: Timestamp) {
        last = progress
        movedAt = now
        samples.removeAll { now - $0.at > Self.window }
        samples.append(Sample(at: now, bytes: progress.doneBytes))
    }

    func report(at now: Timestamp, stallLimit: Duration) -> PullReport {
        let rate = rate(at: now)
        let left = last.totalBytes - last.doneBytes
        return PullReport(
            progress: last, bytesPerSecond: rate, secondsLeft: rate.flatMap { $0 > 0 && left > 0 ? Int((left + $0 - 1) / $0) : nil },
            isStalled: now - movedAt >= stallLimit)
    }

    private func rate(at now: Timestamp) -> Int64? {
        guard let first = samples.first, let latest = samples.last else { return nil }
        let microseconds = (now - first.at).microseconds
        guard microseconds >= 500_000 else { return nil }
        return max(0, (latest.bytes - first.bytes) * 1_000_000 / microseconds)
    }
}
