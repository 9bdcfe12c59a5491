import Model
import Synchronization

/// What the agent is working on and how its last messages ended. Written by the message handlers, read by the heartbeat.
final class TaskBoard: Sendable {
    /// The state one beat carries.
    struct Snapshot: Sendable, Equatable {
        var activeTasks: Int
        var currentTask: String
        /// Failed messages per finished message in the window, 0 to 1.
        var errorRate: Double
        /// The newest failure in the window, empty when there is none.
        var sampleError: String
    }

    /// A rate over single beats would jump between 0 and 1; this one forgets slowly, and a beat that got lost takes nothing with it.
    static let window: Duration = .seconds(300)
    static let mostOutcomes = 100
    static let longestTaskText = 120

    private struct Outcome {
        let at: Timestamp
        let error: String?
    }

    private struct State {
        var nextID = 0
        var running: [(id: Int, text: String)] = []
        var outcomes: [Outcome] = []
    }

    private let state = Mutex(State())
    private let clock: any TimeSource
    /// One element when the tasks changed since the last was taken, or `wake` was called.
    let changes: AsyncStream<Void>
    private let changed: AsyncStream<Void>.Continuation

    init(clock: any TimeSource) {
        self.clock = clock
        (changes, changed) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Notes a started message and returns its number.
    func begin(_ text: String) -> Int {
        let id = state.withLock { state in
            state.nextID += 1
            state.running.append((state.nextID, Self.summary(of: text)))
            return state.nextID
        }
        changed.yield()
        return id
    }

    /// Notes the end of message `id`; `error` is nil when it went well.
    func end(_ id: Int, error: String?) {
        let now = clock.now()
        state.withLock { state in
            state.running.removeAll { $0.id == id }
            state.outcomes.append(Outcome(at: now, error: error))
            if state.outcomes.count > Self.mostOutcomes { state.outcomes.removeFirst() }
        }
        changed.yield()
    }

    /// Forgets message `id` without judging it: the sender went away.
    func abandon(_ id: Int) {
        state.withLock { state in state.running.removeAll { $0.id == id } }
        changed.yield()
    }

    func wake() { changed.yield() }

    func snapshot() -> Snapshot {
        let horizon = clock.now()
        return state.withLock { state in
            state.outcomes.removeAll { horizon - $0.at > Self.window }
            let errors = state.outcomes.compactMap(\.error)
            return Snapshot(
                activeTasks: state.running.count, currentTask: state.running.last?.text ?? "",
                errorRate: errors.isEmpty ? 0 : Double(errors.count) / Double(state.outcomes.count), sampleError: errors.last ?? "")
        }
    }

    private static func summary(of text: String) -> String {
        let line = text.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
        return line.count <= longestTaskText ? line : line.prefix(longestTaskText - 1) + "…"
    }
}
