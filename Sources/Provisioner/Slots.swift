import Model
import Synchronization

/// A fixed number of slots, handed out first come, first served. Whoever waits can be told where in the line it stands.
final class Slots: Sendable {
    private struct Waiter {
        let number: Int
        let id: WorkspaceID?
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var free: Int
        var nextNumber = 0
        var waiting: [Waiter] = []
        var cancelled: Set<Int> = []

        var line: [WorkspaceID] { waiting.compactMap(\.id) }
    }

    private let state: Mutex<State>
    /// Told whenever the line has moved: everybody in it, the next one first.
    private let onMove: @Sendable ([WorkspaceID]) -> Void

    init(_ count: Int, onMove: @escaping @Sendable ([WorkspaceID]) -> Void = { _ in }) {
        precondition(count > 0, "there must be at least one slot")
        state = Mutex(State(free: count))
        self.onMove = onMove
    }

    /// How many wait.
    var waitingCount: Int { state.withLock { $0.waiting.count } }

    /// 1 for the next in line; nil when it does not wait.
    func position(of id: WorkspaceID) -> Int? { state.withLock { $0.line.firstIndex(of: id).map { $0 + 1 } } }

    /// Runs `body` in a slot. Throws `CancellationError` when the task is cancelled while it waits for one.
    func run<Result: Sendable>(for id: WorkspaceID? = nil, _ body: () async throws -> Result) async throws -> Result {
        guard await take(id) else { throw CancellationError() }
        defer { giveBack() }
        return try await body()
    }

    private func take(_ id: WorkspaceID?) async -> Bool {
        let number = state.withLock { state in
            state.nextNumber += 1
            return state.nextNumber
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let (answer, line) = state.withLock { state -> (Bool?, [WorkspaceID]) in
                    if state.cancelled.remove(number) != nil { return (false, []) }
                    if state.free > 0 {
                        state.free -= 1
                        return (true, [])
                    }
                    state.waiting.append(Waiter(number: number, id: id, continuation: continuation))
                    return (nil, state.line)
                }
                if let answer { continuation.resume(returning: answer) } else { onMove(line) }
            }
        } onCancel: {
            withdraw(number)
        }
    }

    private func withdraw(_ number: Int) {
        let (waiter, line) = state.withLock { state -> (Waiter?, [WorkspaceID]) in
            guard let index = state.waiting.firstIndex(where: { $0.number == number }) else {
                state.cancelled.insert(number)
                return (nil, [])
            }
            return (state.waiting.remove(at: index), state.line)
        }
        waiter?.continuation.resume(returning: false)
        if !line.isEmpty { onMove(line) }
    }

    private func giveBack() {
        let (next, line) = state.withLock { state -> (Waiter?, [WorkspaceID]) in
            if state.waiting.isEmpty {
                state.free += 1
                return (nil, [])
            }
            return (state.waiting.removeFirst(), state.line)
        }
        next?.continuation.resume(returning: true)
        if !line.isEmpty { onMove(line) }
    }
}
