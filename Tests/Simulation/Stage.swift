import Model
import TestSupport

/// What must hold and did not.
struct Violation {
    let invariant: String
    let detail: String
}

/// Where everything of one episode happens: its time, its choices, the calls that wait for theirs, and what was seen. One thread runs it
/// all, job by job (`ReadyQueue`), so nothing here is locked.
final class Stage: @unchecked Sendable {
    /// A call that has been made and not been answered.
    struct Call {
        let number: Int
        let gate: Gate
        let name: String
        let continuation: CheckedContinuation<Gate.Verdict, any Error>
        /// Called when it is certain that it will be done.
        let settled: () -> Void
        /// Does what was asked, for a caller who no longer listens.
        let work: () -> Void
    }

    struct Sleeper {
        let number: Int
        let life: Life
        let deadline: Timestamp
        let continuation: CheckedContinuation<Void, any Error>
    }

    /// Something that happens by itself: work an engine goes on with, an event on its way.
    struct Later {
        let at: Timestamp
        let what: String
        /// What somebody called for, and the engine does when it comes to it.
        let isCall: Bool
        let work: () -> Void
    }

    var dice: Dice
    var trace: Trace
    var tally: Tally
    var now = Timestamp(seconds: 1_800_000_000)
    var steps = 0
    var calls: [Call] = []
    var sleepers: [Sleeper] = []
    var laters: [Later] = []
    private(set) var violation: Violation?
    private var lastNumber = 0

    init(seed: UInt64, trace: Trace, tally: Tally) {
        dice = Dice(seed: seed)
        self.trace = trace
        self.tally = tally
    }

    func nextNumber() -> Int {
        lastNumber += 1
        return lastNumber
    }

    /// Notes the first thing that went wrong; whoever drives the stage stops there.
    func violate(_ invariant: String, _ detail: String) {
        guard violation == nil else { return }
        violation = Violation(invariant: invariant, detail: detail)
        note("VIOLATION \(invariant): \(detail)")
    }

    func violate(_ breach: Violation) { violate(breach.invariant, breach.detail) }

    func note(_ line: String) { trace.add("\(steps) \(now.milliseconds - 1_800_000_000_000)ms \(line)") }

    /// One step: a call that is answered, or an action of the world.
    func step(_ kind: String, _ name: String, _ line: String) {
        steps += 1
        tally.count(kind, name)
        note(line)
    }
}

// MARK: - Time

extension Stage {
    func sleep(for duration: Duration, _ life: Life) async throws {
        guard !life.isOver else { throw CancellationError() }
        try Task.checkCancellation()
        let number = nextNumber()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                sleepers.append(Sleeper(number: number, life: life, deadline: now + duration, continuation: continuation))
            }
        } onCancel: {
            guard let index = sleepers.firstIndex(where: { $0.number == number }) else { return }
            sleepers.remove(at: index).continuation.resume(throwing: CancellationError())
        }
    }

    func later(_ delay: Duration, _ what: String, isCall: Bool = false, _ work: @escaping () -> Void) {
        laters.append(Later(at: now + delay, what: what, isCall: isCall, work: work))
    }

    /// An engine does what it was called for, before anything else changes.
    func finishCalls() {
        let late = laters.filter(\.isCall)
        laters.removeAll(where: \.isCall)
        for later in late {
            note("at last: \(later.what)")
            later.work()
        }
    }

    /// The next moment at which something happens by itself.
    var nextMoment: Timestamp? { [sleepers.lazy.map(\.deadline).min(), laters.lazy.map(\.at).min()].compactMap { $0 }.min() }

    func advance(to moment: Timestamp) {
        now = max(now, moment)
        while let index = laters.firstIndex(where: { $0.at <= now }) {
            let later = laters.remove(at: index)
            note("by itself: \(later.what)")
            later.work()
        }
        let due = sleepers.filter { $0.deadline <= now }.sorted { ($0.deadline, $0.number) < ($1.deadline, $1.number) }
        sleepers.removeAll { $0.deadline <= now }
        for sleeper in due { sleeper.continuation.resume() }
    }

    func advance(by duration: Duration) { advance(to: now + duration) }
}

// MARK: - Calls and ends

extension Stage {
    /// Answers one waiting call, as its gate decides now.
    func answerOne() {
        let call = calls.remove(at: dice.roll(calls.count))
        advance(by: .microseconds(dice.roll(200...20_000)))
        let verdict = call.gate.verdict(for: call.name)
        step(call.gate.kind, call.name, "\(call.gate.owner) \(call.gate.kind).\(call.name) \(verdict)")
        call.continuation.resume(returning: verdict)
    }

    /// The caller has gone: what it asked for may happen now, later, or never.
    func abandon(_ call: Call) {
        switch dice.roll(3) {
        case 0:
            note("\(call.gate.owner) \(call.gate.kind).\(call.name) abandoned, done all the same")
            call.settled()
            call.work()
        case 1 where call.gate.finishesLate:
            note("\(call.gate.owner) \(call.gate.kind).\(call.name) abandoned, done later")
            call.settled()
            later(.milliseconds(dice.roll(1...40_000)), "\(call.name), abandoned", isCall: true, call.work)
        default:
            note("\(call.gate.owner) \(call.gate.kind).\(call.name) abandoned, not done")
        }
        call.continuation.resume(throwing: CancellationError())
    }

    /// Ends everything that belongs to `life`, as the death of its process does.
    func end(_ life: Life) {
        life.isOver = true
        let mine = calls.filter { $0.gate.life === life }
        calls.removeAll { $0.gate.life === life }
        for call in mine { abandon(call) }
        let sleeping = sleepers.filter { $0.life === life }
        sleepers.removeAll { $0.life === life }
        for sleeper in sleeping { sleeper.continuation.resume(throwing: CancellationError()) }
    }
}

/// One process of the daemon: what it waits for ends with it.
final class Life: @unchecked Sendable {
    var isOver = false
}

/// The episode's clock, as one process of the daemon reads it.
struct StageClock: TimeSource {
    let stage: Stage
    let life: Life

    func now() -> Timestamp { stage.now }
    func sleep(for duration: Duration) async throws { try await stage.sleep(for: duration, life) }
}
