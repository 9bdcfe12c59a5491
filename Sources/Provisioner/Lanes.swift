import Model
import Synchronization

/// One lane for each workspace: whoever enters waits for those before, in order. A lane that nobody is in takes no memory.
final class Lanes: Sendable {
    private let waiting = Mutex<[WorkspaceID: [CheckedContinuation<Void, Never>]]>([:])

    /// Runs `body` alone among all bodies for `id`. Waiting cannot be cancelled: whoever is in the lane can.
    func run<Result: Sendable>(_ id: WorkspaceID, _ body: () async throws -> Result) async rethrows -> Result {
        await enter(id)
        defer { leave(id) }
        return try await body()
    }

    private func enter(_ id: WorkspaceID) async {
        await withCheckedContinuation { continuation in
            let free = waiting.withLock { waiting in
                if waiting[id] == nil {
                    waiting[id] = []
                    return true
                }
                waiting[id]?.append(continuation)
                return false
            }
            if free { continuation.resume() }
        }
    }

    private func leave(_ id: WorkspaceID) {
        let next = waiting.withLock { waiting -> CheckedContinuation<Void, Never>? in
            guard let first = waiting[id]?.first else {
                waiting[id] = nil
                return nil
            }
            waiting[id]?.removeFirst()
            return first
        }
        next?.resume()
    }
}
