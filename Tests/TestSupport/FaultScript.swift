import Synchronization

/// Decides about every call of a fake in a script's place: when it happens, and what goes wrong with it.
public protocol CallGate: Sendable {
    func perform<Result: Sendable>(_ name: String, _ work: @escaping @Sendable () throws -> Result) async throws -> Result
}

/// Decides what goes wrong at which call of a fake. Calls are counted from 1 in the order they arrive.
public final class FaultScript: Sendable {
    public enum Fault: Sendable {
        /// The call is refused and changes nothing.
        case fail(any Error)
        /// The call does its work, and the answer is lost.
        case loseReply(any Error)
        /// The call never gets there: it hangs until it is cancelled or released, and changes nothing.
        case hangBefore
        /// The call does its work, then hangs.
        case hangAfter
        /// The call does its work when `finishSlow` says so, also when its caller has long been cancelled: an engine finishes what it began.
        case slow
    }

    private struct State {
        var calls: [String] = []
        var byNumber: [Int: Fault] = [:]
        var byName: [String: [Int: Fault]] = [:]
        var hung: [Int: CheckedContinuation<Void, any Error>] = [:]
        var everHung = 0
        var released = false
        var quiet = false
        var slow: [@Sendable () -> Void] = []
        var observers: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let state = Mutex(State())
    private let gate: (any CallGate)?

    /// With a `gate`, nothing is planned or counted here: the gate alone decides.
    public init(gate: (any CallGate)? = nil) { self.gate = gate }

    /// The calls so far, by name.
    public var calls: [String] { state.withLock { $0.calls } }
    public func count(of name: String) -> Int { calls.count { $0 == name } }

    /// The fault of the call with this number among all calls.
    public func at(call number: Int, _ fault: Fault) { state.withLock { $0.byNumber[number] = fault } }

    /// The fault of the `nth` call of this name; 0 stands for every one.
    public func on(_ name: String, nth: Int = 1, _ fault: Fault) { state.withLock { $0.byName[name, default: [:]][nth] = fault } }

    /// Forgets every planned fault.
    public func clear() {
        state.withLock { state in
            state.byNumber = [:]
            state.byName = [:]
        }
    }

    /// Returns when at least `count` calls hang.
    public func waitUntilHung(_ count: Int = 1) async {
        await withCheckedContinuation { continuation in
            let now = state.withLock { state in
                if state.quiet || state.hung.count >= count { return true }
                state.observers.append((count, continuation))
                return false
            }
            if now { continuation.resume() }
        }
    }

    /// How many calls have hung so far, let go or not.
    public var everHung: Int { state.withLock { $0.everHung } }

    /// Lets everybody who waits for a hanging call go on, because there will be none.
    public func expectNoMoreHanging() {
        let observers = state.withLock { state in
            state.quiet = true
            defer { state.observers = [] }
            return state.observers
        }
        for observer in observers { observer.continuation.resume() }
    }

    /// Ends every hanging call, now and later, as if its process had died.
    public func release() {
        let hung = state.withLock { state in
            state.released = true
            defer { state.hung = [:] }
            return Array(state.hung.values)
        }
        for continuation in hung { continuation.resume(throwing: CancellationError()) }
    }

    /// How many slow calls have not done their work yet.
    public var slowCount: Int { state.withLock { $0.slow.count } }

    /// Lets slow calls do their work.
    public func finishSlow() {
        let slow = state.withLock { state in
            defer { state.slow = [] }
            return state.slow
        }
        for call in slow { call() }
    }

    func perform<Result: Sendable>(_ name: String, _ work: @escaping @Sendable () throws -> Result) async throws -> Result {
        if let gate { return try await gate.perform(name, work) }
        let (number, fault) = state.withLock { state in
            state.calls.append(name)
            let number = state.calls.count
            let nth = state.calls.count { $0 == name }
            return (number, state.byNumber[number] ?? state.byName[name]?[nth] ?? state.byName[name]?[0])
        }
        try Task.checkCancellation()
        switch fault {
        case nil: return try work()
        case .fail(let error): throw error
        case .loseReply(let error):
            _ = try work()
            throw error
        case .hangBefore:
            try await hang(number)
            throw CancellationError()
        case .hangAfter:
            _ = try work()
            try await hang(number)
            throw CancellationError()
        case .slow: return try await slowly(work)
        }
    }

    private func slowly<Result: Sendable>(_ work: @escaping @Sendable () throws -> Result) async throws -> Result {
        let caller = Caller<Result>()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                caller.waits(continuation)
                if Task.isCancelled { caller.answer(.failure(CancellationError())) }
                state.withLock { $0.slow.append { caller.answer(Swift.Result { try work() }) } }
            }
        } onCancel: {
            caller.answer(.failure(CancellationError()))
        }
    }

    private func hang(_ number: Int) async throws {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let (observers, ended) = state.withLock { state -> ([CheckedContinuation<Void, Never>], Bool) in
                    if state.released || Task.isCancelled { return ([], true) }
                    state.hung[number] = continuation
                    state.everHung += 1
                    let met = state.observers.filter { $0.count <= state.hung.count }
                    state.observers.removeAll { $0.count <= state.hung.count }
                    return (met.map(\.continuation), false)
                }
                if ended { continuation.resume(throwing: CancellationError()) }
                for observer in observers { observer.resume() }
            }
        } onCancel: {
            let continuation = state.withLock { $0.hung.removeValue(forKey: number) }
            continuation?.resume(throwing: CancellationError())
        }
    }
}

/// Whoever waits for a slow call; takes the first answer.
private final class Caller<Answer: Sendable>: Sendable {
    private let continuation = Mutex<CheckedContinuation<Answer, any Error>?>(nil)

    func waits(_ waiting: CheckedContinuation<Answer, any Error>) { continuation.withLock { $0 = waiting } }

    func answer(_ answer: Result<Answer, any Error>) {
        let waiting = continuation.withLock { waiting in
            defer { waiting = nil }
            return waiting
        }
        waiting?.resume(with: answer)
    }
}
