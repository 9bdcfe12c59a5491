import Model
import Synchronization

/// The background work of this process, by workspace.
final class ProvisionJobs: Sendable {
    private struct State {
        var nextNumber = 0
        var tasks: [WorkspaceID: [Int: Task<Void, Never>]] = [:]
        /// Work that a caller waits for, and that nobody cancels.
        var held: [WorkspaceID: Int] = [:]
        var closed = false
    }

    private let state = Mutex(State())

    /// Whether the daemon is stopping.
    var isClosed: Bool { state.withLock(\.closed) }

    var workspaces: Set<WorkspaceID> { state.withLock { Set($0.tasks.keys).union($0.held.keys) } }

    /// Runs `body` as work on `id` that is under way, so that nobody else takes it up meanwhile.
    func holding<Result: Sendable>(_ id: WorkspaceID, _ body: () async -> Result) async -> Result {
        state.withLock { $0.held[id, default: 0] += 1 }
        defer {
            state.withLock { state in
                let left = (state.held[id] ?? 1) - 1
                state.held[id] = left > 0 ? left : nil
            }
        }
        return await body()
    }

    /// Runs `body` as work that `cancel` reaches, and waits for it. Throws `CancellationError` when nothing starts any more.
    func run<Result: Sendable>(_ id: WorkspaceID, _ body: @escaping @Sendable () async -> Result) async throws -> Result {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let started = start(id) { continuation.resume(returning: await body()) }
                if !started { continuation.resume(throwing: CancellationError()) }
            }
        } onCancel: {
            cancel(id)
        }
    }

    /// Starts `work` in a task of its own. After `cancelAll` nothing starts any more, and false is returned.
    @discardableResult
    func start(_ id: WorkspaceID, _ work: @escaping @Sendable () async -> Void) -> Bool {
        state.withLock { state in
            guard !state.closed else { return false }
            state.nextNumber += 1
            let number = state.nextNumber
            // Made under the lock, so that a task which ends at once finds itself in the table.
            state.tasks[id, default: [:]][number] = Task {
                await work()
                self.ended(number, id)
            }
            return true
        }
    }

    func cancel(_ id: WorkspaceID) {
        let tasks = state.withLock { Array(($0.tasks[id] ?? [:]).values) }
        for task in tasks { task.cancel() }
    }

    func cancelAll() async {
        let tasks = state.withLock { state in
            state.closed = true
            return state.tasks.values.flatMap(\.values)
        }
        for task in tasks { task.cancel() }
        await idle()
    }

    func idle() async {
        while let task = state.withLock({ $0.tasks.first?.value.first?.value }) { await task.value }
    }

    private func ended(_ number: Int, _ id: WorkspaceID) {
        state.withLock { state in
            state.tasks[id]?[number] = nil
            if state.tasks[id]?.isEmpty == true { state.tasks[id] = nil }
        }
    }
}
