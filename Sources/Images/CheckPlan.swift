import Model

/// What an answer of the registry means for one image. Pure.
enum CheckPlan {
    enum Verdict: Sendable, Hashable {
        /// Seen for the first time: remembered, and nothing else.
        case seed
        case unchanged
        /// It moved, or a move was not followed yet.
        case refresh
        /// It is the version that did not prove itself; it is tried again later.
        case refusedStill(until: Timestamp)
    }

    /// A version that was refused is tried again after the interval doubled for each try, at most once in six hours.
    static let longestRefusal: Duration = .seconds(6 * 3600)

    static func verdict(on digest: String, _ image: TrackedImage, interval: Duration, now: Timestamp) -> Verdict {
        if let refused = image.refused, refused.digest == digest {
            // Somebody rolled back from it: only another digest is news.
            guard refused.failure.code != .rolledBack else { return .unchanged }
            let pause = min(interval * (1 << min(refused.tries, 12)), longestRefusal)
            let until = refused.failure.at + pause
            return now < until ? .refusedStill(until: until) : .refresh
        }
        guard let observed = image.observedDigest else { return .seed }
        return observed == digest ? .unchanged : .refresh
    }

    /// When an image is asked for again: after the interval, or when its registry wants it, spread by up to a tenth.
    static func next(after now: Timestamp, interval: Duration, retryAfter: Duration?, dice: Double) -> Timestamp {
        let pause = max(interval, retryAfter ?? .zero)
        return now + pause + .milliseconds(Int64(Double(pause.milliseconds) * 0.1 * dice))
    }
}
