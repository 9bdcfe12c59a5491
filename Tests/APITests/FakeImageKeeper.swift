import Model
import Synchronization

/// A keeper of images that answers what a test says, and keeps what it was asked.
final class FakeImageKeeper: ImageKeeping {
    enum Order: Equatable {
        case refresh([String]?, recreate: Bool, dryRun: Bool)
        case rollBack(String, dryRun: Bool)
        case prune(dryRun: Bool)
    }

    private struct State {
        var reports: [ImageReport] = []
        var outcomes: [ImageOutcome] = []
        var pruned: [PrunedImage] = []
        var refusal: Failure?
        var counts = ImageCounts()
        var orders: [Order] = []
    }

    private let state = Mutex(State())

    var orders: [Order] { state.withLock { $0.orders } }

    var counts: ImageCounts { state.withLock { $0.counts } }

    func set(_ counts: ImageCounts) { state.withLock { $0.counts = counts } }
    func set(_ reports: [ImageReport]) { state.withLock { $0.reports = reports } }
    func answer(_ outcomes: [ImageOutcome]) { state.withLock { $0.outcomes = outcomes } }
    func answer(_ pruned: [PrunedImage]) { state.withLock { $0.pruned = pruned } }
    func refuse(_ failure: Failure) { state.withLock { $0.refusal = failure } }

    func report() async throws -> [ImageReport] { state.withLock { $0.reports } }

    func refresh(_ runtimes: [String]?, recreate: Bool, dryRun: Bool) async throws -> RefreshReport {
        try report(on: .refresh(runtimes, recreate: recreate, dryRun: dryRun), runtimes ?? ["echo", "other"], dryRun)
    }

    func rollBack(_ runtime: String, dryRun: Bool) async throws -> RefreshReport {
        try report(on: .rollBack(runtime, dryRun: dryRun), [runtime], dryRun)
    }

    private func report(on order: Order, _ runtimes: [String], _ dryRun: Bool) throws -> RefreshReport {
        try state.withLock { state in
            state.orders.append(order)
            if let refusal = state.refusal { throw refusal }
            return RefreshReport(runtimes: runtimes, outcomes: state.outcomes, imagesOf: { ["\($0):1"] }, dryRun: dryRun)
        }
    }

    func prune(dryRun: Bool) async throws -> [PrunedImage] {
        state.withLock {
            $0.orders.append(.prune(dryRun: dryRun))
            return $0.pruned
        }
    }
}
