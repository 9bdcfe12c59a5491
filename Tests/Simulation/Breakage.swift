import Model
import Provisioner
import Sweeper

/// A policy made wrong on purpose, to show that the checks notice.
public enum Breakage: String, CaseIterable, Sendable {
    /// The store takes one change in fifty back.
    case lostCommits = "lost-commits"
    /// The engine's list shows every installation's containers as ours, and what has no row is removed.
    case blindLabels = "blind-labels"
    /// The volumes of a workspace go before anybody looks whether it is removed.
    case earlyVolumes = "early-volumes"
    /// Orphans are taken without grace.
    case noGrace = "no-grace"
    /// A database that is new to the installation is believed at once.
    case noHold = "no-hold"
    /// Quarantine lasts a day.
    case shortRetention = "short-retention"
    /// One sweep takes whatever it finds.
    case noFuse = "no-fuse"
    /// A second look after a crash loop stops what runs, whatever its row says.
    case hastyStop = "hasty-stop"
    /// Nothing is cleaned away after a delete that failed.
    case forgetfulTeardown = "forgetful-teardown"

    var orphanPolicy: OrphanPolicy {
        var policy = OrphanPolicy()
        switch self {
        case .noGrace: policy.grace = .zero
        case .noHold: policy.hold = .zero
        case .shortRetention: policy.retention = .seconds(24 * 3600)
        case .noFuse: policy.mostPerCycle = 1000
        case .lostCommits, .blindLabels, .earlyVolumes, .hastyStop, .forgetfulTeardown: break
        }
        return policy
    }
}

/// The provisioner, with one of its promises broken.
struct Broken: WorkspaceReconciling, WorkspaceWaking {
    private let whole: WorkspaceProvisioner
    private let breakage: Breakage
    private let home: Installation

    init(_ whole: WorkspaceProvisioner, _ breakage: Breakage, _ home: Installation) {
        self.whole = whole
        self.breakage = breakage
        self.home = home
    }

    func inFlight() -> Set<WorkspaceID> { whole.inFlight() }

    func carryOut(_ action: ReconcileAction) async {
        switch breakage {
        case .earlyVolumes: await removeVolumes(action.workspaceID)
        case .hastyStop: await stop(action.workspaceID)
        case .forgetfulTeardown:
            if case .teardown = action { return }
        case .blindLabels: await removeStrangers()
        case .lostCommits, .noGrace, .noHold, .shortRetention, .noFuse: break
        }
        await whole.carryOut(action)
    }

    func wake(_ id: WorkspaceID) async { await whole.wake(id) }
    func workBegan(on id: WorkspaceID) { whole.workBegan(on: id) }
    func workEnded(on id: WorkspaceID) { whole.workEnded(on: id) }
    func atWork() -> Set<WorkspaceID> { whole.atWork() }

    private func removeVolumes(_ id: WorkspaceID) async {
        for container in (try? await home.view.containers(of: id)) ?? [] { try? await home.view.removeContainer(container.id) }
        for volume in (try? await home.view.volumes(of: id)) ?? [] { try? await home.view.removeVolume(volume) }
    }

    private func stop(_ id: WorkspaceID) async {
        for container in (try? await home.view.containers(of: id)) ?? [] { try? await home.view.stop(container.id, grace: .zero) }
    }

    private func removeStrangers() async {
        for stranger in (try? await home.view.strangers()) ?? [] { try? await home.view.removeContainer(stranger.id) }
    }
}
