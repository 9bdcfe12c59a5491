public import Model
import Synchronization

/// A clock that moves only when a test says so. Sleepers wake in the order of their deadlines.
public final class ManualClock: TimeSource {
    private struct Sleeper {
        let id: Int
        let deadline: Timestamp
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var now: Timestamp
        var nextID = 0
        var sleepers: [Sleeper] = []
        var cancelled: Set<Int> = []
    }

    private let state: Mutex<State>

    public init(startingAt start: Timestamp = Timestamp(seconds: 1_800_000_000)) { state = Mutex(State(now: start)) }

    public func now() -> Timestamp { state.withLock { $0.now } }

    public var sleeperCount: Int { state.withLock { $0.sleepers.count } }

    public func advance(by duration: Duration) {
        let due = state.withLock { state in
            state.now = state.now + duration
            let due = state.sleepers.filter { $0.deadline <= state.now }.sorted { $0.deadline < $1.deadline }
            state.sleepers.removeAll { $0.deadline <= state.now }
            return due
        }
        for sleeper in due { sleeper.continuation.resume() }
    }

    public func sleep(for duration: Duration) async throws {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let cancelled = state.withLock { state in
                    if state.cancelled.remove(id) != nil { return true }
                    state.sleepers.append(Sleeper(id: id, deadline: state.now + duration, continuation: continuation))
                    return false
                }
                if cancelled { continuation.resume(throwing: CancellationError()) }
            }
        } onCancel: {
            let sleeper = state.withLock { state -> Sleeper? in
                guard let index = state.sleepers.firstIndex(where: { $0.id == id }) else {
                    state.cancelled.insert(id)
                    return nil
                }
                return state.sleepers.remove(at: index)
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }
}

/// The machine's clock, for tests that talk to real things.
public struct RealClock: TimeSource {
    public init() {}

    public func now() -> Timestamp {
        let elapsed = ContinuousClock.now - Self.origin.instant
        return Self.origin.wall + elapsed
    }

    public func sleep(for duration: Duration) async throws { try await Task.sleep(for: duration) }

    private static let origin = (instant: ContinuousClock.now, wall: Timestamp(seconds: 1_800_000_000))
}

/// Bytes from a seed: the same seed gives the same ids, so that a failing run can be replayed.
public final class SeededRandom: RandomSource {
    private let state: Mutex<UInt64>

    public init(seed: UInt64) { state = Mutex(seed) }

    public func bytes(_ count: Int) -> [UInt8] {
        state.withLock { state in
            (0..<count).map { _ in
                state &+= 0x9E37_79B9_7F4A_7C15
                var mixed = state
                mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
                mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
                return UInt8(truncatingIfNeeded: mixed ^ (mixed >> 31))
            }
        }
    }
}

/// Keeps log lines for a test to read.
public final class RecordingLog: LogSink {
    private let lines = Mutex<[String]>([])

    public init() {}

    public var text: [String] { lines.withLock { $0 } }

    public func log(_ level: LogLevel, _ message: String, _ fields: [(String, String)]) {
        let line = ([level.rawValue, message] + fields.map { "\($0.0)=\($0.1)" }).joined(separator: " ")
        lines.withLock { $0.append(line) }
    }
}
