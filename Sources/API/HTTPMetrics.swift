import HTTP
import Synchronization

/// Counts of what the doors answered. Labels are bounded: routes by pattern, methods and statuses by their own small sets.
final class HTTPMetrics: Sendable {
    struct Key: Hashable, Comparable {
        let path: String
        let method: String
        let status: Int

        static func < (left: Key, right: Key) -> Bool {
            (left.path, left.method, left.status) < (right.path, right.method, right.status)
        }
    }

    struct Total {
        var requests = 0
        var seconds = 0.0
    }

    static let unmatched = "unmatched"

    private let totals = Mutex<[Key: Total]>([:])

    /// `duration` ends at the response head: a stream's life is not a request's latency.
    func record(_ method: Method, path: String, status: Int, duration: Duration) {
        let (seconds, attoseconds) = duration.components
        totals.withLock {
            $0[Key(path: path, method: method.rawValue, status: status), default: Total()].requests += 1
            $0[Key(path: path, method: method.rawValue, status: status), default: Total()].seconds +=
                Double(seconds) + Double(attoseconds) * 1e-18
        }
    }

    func snapshot() -> [(key: Key, total: Total)] {
        totals.withLock { $0 }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}
