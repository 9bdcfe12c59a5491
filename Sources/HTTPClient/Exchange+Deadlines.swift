import HTTP

extension Exchange {
    enum Deadline {
        case none
        /// The earliest moment at which one may have passed.
        case due(ContinuousClock.Instant)
        case passed(TransportError)
    }

    /// Silence counts only while both directions are free to move: a reader or a producer of ours that takes its time is no stall.
    /// curl's own low-speed and total timeouts cannot tell the two apart.
    func deadline(at now: ContinuousClock.Instant) -> Deadline {
        let limits = request.limits
        let (waitsForHead, held, lastProgress) = state.withLock { state in
            (state.head == nil, state.download.paused || state.upload.paused, state.lastProgress)
        }
        var candidates: [(instant: ContinuousClock.Instant, error: TransportError)] = []
        if waitsForHead, let head = limits.head {
            candidates.append((started + head, TransportError(.headTimeout, "no answer within \(head)")))
        }
        if !held, let stall = limits.stall {
            candidates.append((lastProgress + stall, TransportError(.stalled, "nothing moved for \(stall)")))
        }
        if let total = limits.total { candidates.append((started + total, TransportError(.totalTimeout, "not finished within \(total)"))) }
        guard let first = candidates.min(by: { $0.instant < $1.instant }) else { return .none }
        return first.instant <= now ? .passed(first.error) : .due(first.instant)
    }
}

extension Duration {
    var wholeMilliseconds: Int { Int(clamping: components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000) }
}
