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

/// A fixed number of slots, handed out first come, first served.
final class Slots: Sendable {
    private struct State {
        var free: Int
        var nextNumber = 0
        var waiting: [(number: Int, continuation: CheckedContinuation<Bool, Never>)] = []
        var cancelled: Set<Int> = []
    }

    private let state: Mutex<State>

    init(_ count: Int) {
        precondition(count > 0, "there must be at least one slot")
        state = Mutex(State(free: count))
    }

    /// Runs `body` in a slot. Throws `CancellationError` when the task is cancelled while it waits for one.
    func run<Result: Sendable>(_ body: () async throws -> Result) async throws -> Result {
        guard await take() else { throw CancellationError() }
        defer { giveBack() }
        return try await body()
    }

    private func take() async -> Bool {
        let number = state.withLock { state in
            state.nextNumber += 1
            return state.nextNumber
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer = state.withLock { state -> Bool? in
                    if state.cancelled.remove(number) != nil { return false }
                    if state.free > 0 {
                        state.free -= 1
                        return true
                    }
                    state.waiting.append((number, continuation))
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            withdraw(number)
        }
    }

    private func withdraw(_ number: Int) {
        let waiter = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            guard let index = state.waiting.firstIndex(where: { $0.number == number }) else {
                state.cancelled.insert(number)
                return nil
            }
            return state.waiting.remove(at: index).continuation
        }
        waiter?.resume(returning: false)
    }

    private func giveBack() {
        let next = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            if state.waiting.isEmpty {
                state.free += 1
                return nil
            }
            return state.waiting.removeFirst().continuation
        }
        next?.resume(returning: true)
    }
}
