import Model
import Synchronization

/// Runs `body` out of reach of the caller's cancellation and waits for its end: what was begun at the engine or in the store is known, not guessed.
func unbroken<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
    try await Task { try await body() }.value
}

func unbroken<Result: Sendable>(_ body: @escaping @Sendable () async -> Result) async -> Result {
    await Task { await body() }.value
}

/// Runs `body` in a task of its own and waits at most `limit` for it. nil means that it goes on without us.
func waiting<Result: Sendable>(atMost limit: Duration, on clock: any TimeSource, for body: @escaping @Sendable () async -> Result) async
    -> Result?
{
    await withCheckedContinuation { continuation in
        let first = FirstAnswer(continuation)
        let timer = Task {
            do { try await clock.sleep(for: limit) } catch { return }
            first.give(nil)
        }
        Task {
            let result = await body()
            timer.cancel()
            first.give(result)
        }
    }
}

/// Passes on the first of two answers.
private final class FirstAnswer<Answer: Sendable>: Sendable {
    private let continuation: Mutex<CheckedContinuation<Answer?, Never>?>

    init(_ continuation: CheckedContinuation<Answer?, Never>) { self.continuation = Mutex(continuation) }

    func give(_ answer: Answer?) {
        let waiting = continuation.withLock { waiting in
            defer { waiting = nil }
            return waiting
        }
        waiting?.resume(returning: answer)
    }
}
