import Model

/// The pause before a registry is asked again: what it wants itself, else doubled each time, with jitter so that many do not come at once.
struct RetryPause {
    static let shortest: Duration = .seconds(2)
    static let longest: Duration = .seconds(120)
    /// A registry that wants to be left alone for longer is told as what it is: whoever waits holds a place that others need.
    static let longestWanted: Duration = .seconds(300)

    /// `attempt` counts from 1; `dice` is a number from 0 up to 1.
    static func pause(after attempt: Int, retryAfter: Duration?, dice: Double) -> Duration {
        let doubled = min(shortest * (1 << min(attempt - 1, 10)), longest)
        let base = retryAfter.map { max($0, .seconds(1)) } ?? doubled
        return base + .milliseconds(Int64(Double(base.milliseconds) * 0.25 * dice))
    }
}
