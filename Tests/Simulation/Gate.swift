import Model
import TestSupport

/// What may go wrong with a call.
enum Fault: String, CaseIterable {
    /// Nobody answers; nothing was done.
    case unavailable
    /// It failed on the other side.
    case failed
    /// What it is about is said to be gone (404), or taken or busy (409).
    case missing, conflict
    /// It was done, and the answer is lost.
    case lostReply
    /// No answer until the deadline; it is not done, done, or done much later.
    case hang, hangDone, late
}

/// How likely each fault is, in a thousand calls.
struct Weather {
    var perMille: [(Fault, Int)] = []
    /// Of events of the engine.
    var lostEvents = 0
    var doubledEvents = 0
    var delayedEvents = 0

    static let calm = Weather()
    static let rough = Weather(
        perMille: [
            (.unavailable, 6), (.failed, 4), (.missing, 2), (.conflict, 2), (.lostReply, 6), (.hang, 2), (.hangDone, 2), (.late, 3),
        ], lostEvents: 50, doubledEvents: 50, delayedEvents: 200)
    static let storm = Weather(
        perMille: [
            (.unavailable, 40), (.failed, 30), (.missing, 10), (.conflict, 10), (.lostReply, 40), (.hang, 10), (.hangDone, 10), (.late, 20),
        ], lostEvents: 300, doubledEvents: 200, delayedEvents: 300)

    func fault(_ dice: inout Dice) -> Fault? {
        var left = dice.roll(1000)
        for (fault, weight) in perMille {
            if left < weight { return fault }
            left -= weight
        }
        return nil
    }
}

/// Stands before an engine or a store: holds each call until the seed lets it through, and spoils some.
final class Gate: CallGate, @unchecked Sendable {
    enum Verdict {
        case pass
        case spoil(Fault, any Error)
    }

    static let deadline: Duration = .seconds(30)

    let stage: Stage
    /// `engine` or `store`.
    let kind: String
    /// Whose daemon calls.
    let owner: String
    /// An engine goes on with what it was asked when its caller has gone; a store's transaction ends with its connection.
    let finishesLate: Bool
    var life: Life
    var weather = Weather.calm
    /// Nobody answers at all, for now.
    var isDown = false
    private let error: (Fault, String) -> any Error
    private let possible: (Fault, String) -> Bool
    /// Looks at what is true after a call did its work.
    var afterwards: (String) -> Void = { _ in }

    init(
        _ stage: Stage, kind: String, owner: String, finishesLate: Bool, life: Life, possible: @escaping (Fault, String) -> Bool,
        error: @escaping (Fault, String) -> any Error
    ) {
        self.stage = stage
        self.kind = kind
        self.owner = owner
        self.finishesLate = finishesLate
        self.life = life
        self.possible = possible
        self.error = error
    }

    func perform<Result: Sendable>(_ name: String, _ work: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await perform(name, judging: { nil }, work)
    }

    /// `judge` says what is wrong with the call. It is asked when the call is made, and again when it is settled that it will be done: what is
    /// wrong both times was never right. What is done late is judged by that moment, too: nobody can call a request back.
    func perform<Result: Sendable>(
        _ name: String, judging judge: @escaping @Sendable () -> Violation?, _ work: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        // Code of a process that has ended may still run to its end; it reaches nobody.
        let life = life
        guard !life.isOver else { throw CancellationError() }
        try Task.checkCancellation()
        let atFirst = judge()
        let settled = { [stage] in if atFirst != nil, let breach = judge() { stage.violate(breach) } }
        let verdict = try await turn(
            name, settled,
            { [self] in
                _ = try? work()
                afterwards(name)
            })
        // The caller may have died between the answer and this moment: the answer reached nobody, the work was done.
        defer { afterwards(name) }
        guard case .spoil(let fault, let error) = verdict else {
            settled()
            return try work()
        }
        stage.tally.count("fault of the \(kind)", fault.rawValue)
        switch fault {
        case .unavailable, .failed, .missing, .conflict: break
        case .hang: try await stage.sleep(for: Self.deadline, life)
        case .lostReply, .hangDone:
            settled()
            _ = try work()
            if fault == .hangDone { try await stage.sleep(for: Self.deadline, life) }
        case .late:
            settled()
            stage.later(.milliseconds(stage.dice.roll(1...60_000)), "\(owner) \(name), late", isCall: true) { [self] in
                _ = try? work()
                afterwards(name)
            }
            try await stage.sleep(for: Self.deadline, life)
        }
        throw error
    }

    /// Waits until the seed chooses this call. A caller who is cancelled meanwhile leaves it behind.
    private func turn(_ name: String, _ settled: @escaping () -> Void, _ work: @escaping () -> Void) async throws -> Verdict {
        let number = stage.nextNumber()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                stage.calls.append(
                    Stage.Call(number: number, gate: self, name: name, continuation: continuation, settled: settled, work: work))
            }
        } onCancel: {
            guard let index = stage.calls.firstIndex(where: { $0.number == number }) else { return }
            stage.abandon(stage.calls.remove(at: index))
        }
    }

    func verdict(for name: String) -> Verdict {
        if isDown {
            let fault = stage.dice.chance(perMille: 100) ? Fault.hang : .unavailable
            return .spoil(fault, error(fault, name))
        }
        guard let fault = weather.fault(&stage.dice), possible(fault, name) else { return .pass }
        return .spoil(fault, error(fault, name))
    }
}

extension Gate.Verdict: CustomStringConvertible {
    var description: String {
        switch self {
        case .pass: "passes"
        case .spoil(let fault, _): fault.rawValue
        }
    }
}

extension Gate {
    static func engine(_ stage: Stage, owner: String, life: Life) -> Gate {
        Gate(
            stage, kind: "engine", owner: owner, finishesLate: true, life: life,
            possible: { fault, name in
                switch fault {
                case .missing: ["copy", "start", "createContainer", "logs", "pull"].contains(name)
                case .conflict: ["createContainer", "removeContainer", "removeVolume", "start"].contains(name)
                case .unavailable, .failed, .lostReply, .hang, .hangDone, .late: true
                }
            }, error: { fault, name in backendError(fault, name) })
    }

    private static func backendError(_ fault: Fault, _ name: String) -> BackendError {
        switch fault {
        case .missing where name == "createContainer" || name == "pull":
            BackendError(.missing, .imageNotFound, "there is no such image")
        case .missing: BackendError(.missing, .containerMissing, "there is no such container")
        case .conflict where name == "removeVolume": BackendError(.conflict, .volumeInUse, "the volume is in use")
        case .conflict: BackendError(.conflict, .nameConflict, "the name is taken")
        case .failed: BackendError(.failed, .startFailed, "the engine failed")
        case .hang, .hangDone, .late: BackendError(.unavailable, .engineTimeout, "the engine did not answer in time")
        case .unavailable, .lostReply: BackendError(.unavailable, .engineUnavailable, "the engine cannot be reached")
        }
    }

    static func store(_ stage: Stage, owner: String, life: Life) -> Gate {
        Gate(
            stage, kind: "store", owner: owner, finishesLate: false, life: life,
            possible: { fault, _ in
                switch fault {
                case .missing, .conflict, .late: false
                case .unavailable, .failed, .lostReply, .hang, .hangDone: true
                }
            }, error: { fault, _ in fault == .failed ? StoreError(.databaseLocked, "the database is busy") : StoreError.unavailable })
    }
}
