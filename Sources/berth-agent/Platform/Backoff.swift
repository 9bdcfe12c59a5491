import Model

/// How long to wait between attempts that never end: doubling from `first` to `longest`, each wait spread by a fifth either way so that
/// many agents do not come back in the same moment.
struct Backoff: Sendable {
    let first: Duration
    let longest: Duration
    private var failures = 0

    init(first: Duration, longest: Duration) {
        self.first = first
        self.longest = longest
    }

    /// The wait after one more failure.
    mutating func next(_ random: any RandomSource) -> Duration {
        let doubled = first * (1 << min(failures, 20))
        failures += 1
        let spread = Double(random.bytes(1)[0]) / 255 * 0.4 + 0.8
        return min(doubled, longest) * spread
    }

    mutating func reset() { failures = 0 }
}
