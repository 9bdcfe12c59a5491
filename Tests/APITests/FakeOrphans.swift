import Model
import Synchronization

/// A keeper of orphans that answers what a test says, and keeps what it was asked.
final class FakeOrphans: OrphanKeeping {
    struct Order: Equatable {
        let act: OrphanAct
        let ids: [WorkspaceID]?
        let dryRun: Bool
    }

    private struct State {
        var report = OrphanReport(mode: "enforce", banner: nil, holdUntil: nil, entries: [], strangers: [])
        var outcomes: [OrphanOutcome] = []
        var refusal: Failure?
        var orders: [Order] = []
    }

    private let state = Mutex(State())

    var orders: [Order] { state.withLock { $0.orders } }
    var banner: String? { state.withLock { $0.report.banner } }

    func set(_ report: OrphanReport) { state.withLock { $0.report = report } }
    func answer(_ outcomes: [OrphanOutcome]) { state.withLock { $0.outcomes = outcomes } }
    func refuse(_ failure: Failure) { state.withLock { $0.refusal = failure } }

    func report() async throws -> OrphanReport { state.withLock { $0.report } }

    func perform(_ act: OrphanAct, on ids: [WorkspaceID]?, dryRun: Bool) async throws -> [OrphanOutcome] {
        try state.withLock { state in
            state.orders.append(Order(act: act, ids: ids, dryRun: dryRun))
            if let refusal = state.refusal { throw refusal }
            return state.outcomes
        }
    }
}
