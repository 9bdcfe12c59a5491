internal import Model
internal import Synchronization

/// Hands committed events on in the order of their sequences. Connections commit side by side, and the one that committed first is not
/// always the one that reports first: an event whose predecessor has not been seen waits until every write that was running when it
/// arrived has ended. A predecessor still missing then was another daemon's, or its report was lost with a connection.
final class CommitOrder: Sendable {
    fileprivate struct Waiting {
        var events: [WorkspaceEvent] = []
        /// Writes with smaller tickets must end before these events may pass a gap.
        var barrier = 0
    }

    fileprivate struct State {
        var nextTicket = 0
        var running: Set<Int> = []
        var lastPassed: [WorkspaceID: Int64] = [:]
        var waiting: [WorkspaceID: Waiting] = [:]
    }

    private let state = Mutex(State())
    private let onCommitted: @Sendable ([WorkspaceEvent]) -> Void

    init(_ onCommitted: @escaping @Sendable ([WorkspaceEvent]) -> Void) { self.onCommitted = onCommitted }

    /// Announces a write that may commit events. Every ticket must be given back to `end`.
    func begin() -> Int {
        state.withLock { state in
            defer { state.nextTicket += 1 }
            state.running.insert(state.nextTicket)
            return state.nextTicket
        }
    }

    /// Ends a write with the events it committed, none when it failed. Events are handed on under the lock: that is what keeps two
    /// threads from overtaking each other here.
    func end(_ ticket: Int, _ events: [WorkspaceEvent]) {
        state.withLock { state in
            state.running.remove(ticket)
            for event in events { state.waiting[event.workspaceID, default: Waiting()].events.append(event) }
            for id in Set(events.map(\.workspaceID)) {
                state.waiting[id]?.events.sort { ($0.sequence ?? 0) < ($1.sequence ?? 0) }
                state.waiting[id]?.barrier = state.nextTicket
            }
            let passed = state.waiting.isEmpty ? [] : state.release()
            if !passed.isEmpty { onCommitted(passed) }
        }
    }
}

extension CommitOrder.State {
    /// Takes out every event that may pass now.
    fileprivate mutating func release() -> [WorkspaceEvent] {
        let oldest = running.min() ?? nextTicket
        var passed: [WorkspaceEvent] = []
        for (id, held) in waiting {
            let ready = oldest >= held.barrier ? held.events[...] : held.events[..<contiguous(held.events, after: lastPassed[id] ?? 0)]
            guard let last = ready.last else { continue }
            passed += ready
            // A removed workspace has nothing more to say; should it, its event waits a moment longer.
            lastPassed[id] = last.kind == .removed ? nil : last.sequence
            let rest = Array(held.events[ready.endIndex...])
            waiting[id] = rest.isEmpty ? nil : CommitOrder.Waiting(events: rest, barrier: held.barrier)
        }
        return passed
    }

    private func contiguous(_ events: [WorkspaceEvent], after last: Int64) -> Int {
        var expected = last + 1
        for (index, event) in events.enumerated() {
            guard event.sequence == expected else { return index }
            expected += 1
        }
        return events.count
    }
}
