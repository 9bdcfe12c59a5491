import Model
import Synchronization

/// Counts of this process.
public final class ImageMetrics: Sendable {
    enum PullResult: String { case success, failure, cancelled }

    private let counts = Mutex(ImageCounts())

    public init() {}

    var snapshot: ImageCounts { counts.withLock { $0 } }

    func pulled(_ result: PullResult, took: Duration) {
        counts.withLock {
            var pulls = $0.pulls[result.rawValue] ?? ImageCounts.Pulls(count: 0, seconds: 0)
            pulls.count += 1
            pulls.seconds += Double(took.microseconds) / 1_000_000
            $0.pulls[result.rawValue] = pulls
        }
    }

    func received(_ bytes: Int64) { counts.withLock { $0.bytes += bytes } }
    func looked(_ failure: ErrorCode?) { counts.withLock { $0.looks[failure?.rawValue ?? "ok", default: 0] += 1 } }
    func accepted() { counts.withLock { $0.accepted += 1 } }
    func refused() { counts.withLock { $0.refused += 1 } }
    func rolledBack() { counts.withLock { $0.rollbacks += 1 } }
}

/// How far a growing count has come.
final class ByteCount: Sendable {
    private let seen = Mutex<Int64>(0)

    func growth(to now: Int64) -> Int64 {
        seen.withLock { seen in
            defer { seen = max(seen, now) }
            return max(0, now - seen)
        }
    }
}
