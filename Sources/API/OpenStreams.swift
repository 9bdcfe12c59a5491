import Synchronization

/// The streams that go on until somebody ends them: who watches must not hold up a stop of the daemon.
final class OpenStreams: Sendable {
    private struct State {
        var ended = false
        var nextID = 0
        var watching: [Int: CheckedContinuation<Void, Never>] = [:]
    }

    private let state = Mutex(State())

    /// Ends every open stream, and each that opens later.
    func end() {
        let watching = state.withLock { state in
            state.ended = true
            defer { state.watching = [:] }
            return Array(state.watching.values)
        }
        for continuation in watching { continuation.resume() }
    }

    /// Runs `body` until it is through, or until the streams are ended: then it is cancelled, and the stream ends as if it were through.
    func run(_ body: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await body() }
            group.addTask { await self.untilEnded() }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func untilEnded() async {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let over = state.withLock { state in
                    if state.ended || Task.isCancelled { return true }
                    state.watching[id] = continuation
                    return false
                }
                if over { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.watching.removeValue(forKey: id) }?.resume()
        }
    }
}
