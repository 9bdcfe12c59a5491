import Model
import Synchronization

/// Messages on their way to agents, counted for each workspace.
final class Conversations: Sendable {
    private struct State {
        var open: [WorkspaceID: Int] = [:]
        var noted: [WorkspaceID: Timestamp] = [:]
    }

    private let state = Mutex(State())

    var workspaces: Set<WorkspaceID> { state.withLock { Set($0.open.keys) } }

    /// True when this work should be written down: it was not within the last half minute.
    func begin(_ id: WorkspaceID, at now: Timestamp) -> Bool {
        state.withLock { state in
            state.open[id, default: 0] += 1
            return Self.isNews(id, now, &state)
        }
    }

    func end(_ id: WorkspaceID, at now: Timestamp) -> Bool {
        state.withLock { state in
            let left = (state.open[id] ?? 1) - 1
            state.open[id] = left > 0 ? left : nil
            return Self.isNews(id, now, &state)
        }
    }

    private static let fresh: Duration = .seconds(30)

    private static func isNews(_ id: WorkspaceID, _ now: Timestamp, _ state: inout State) -> Bool {
        if let noted = state.noted[id], now - noted < fresh { return false }
        // What is no longer fresh says nothing: dropped now and then, so that the table does not grow with every id ever asked for.
        if state.noted.count > 4096 { state.noted = state.noted.filter { now - $0.value < fresh } }
        state.noted[id] = now
        return true
    }
}
