import Model
import Sweeper

/// Looks at everything that is done to containers and volumes, in the moment before it is done, and knows what must not be.
final class Watchman: @unchecked Sendable {
    private let stage: Stage
    private unowned let world: World

    init(_ world: World) {
        self.world = world
        stage = world.stage
    }

    /// Nobody touches what is not labelled as his own.
    func beforeTouching(_ box: EngineHost.Box, by instance: InstanceID, _ verb: String) -> Violation? {
        guard WorkspaceLabels(box.facts.labels, of: instance) == nil else { return nil }
        return Violation(invariant: "foreign containers are left alone", detail: "\(box.facts.name) \(box.facts.id) was \(verb)")
    }

    /// A container that works for a live row ends only after the row says so.
    func beforeEnding(_ box: EngineHost.Box, by instance: InstanceID, _ verb: String) -> Violation? {
        guard let labels = WorkspaceLabels(box.facts.labels, of: instance), let home = world.home(of: instance) else {
            return beforeTouching(box, by: instance, verb)
        }
        guard let row = home.records.row(labels.workspace) else {
            return box.isUp ? beforeEndingRowless(box, labels, home, verb) : nil
        }
        if verb == "removed", row.condition == WorkspaceCondition(.failed, .provision), labels.generationNumber > row.generation {
            return Violation(
                invariant: "an old row removes nothing newer",
                detail: "\(box.facts.name) of generation \(labels.generationNumber) was removed, the row's is \(row.generation)")
        }
        guard box.isUp else { return nil }
        let isAtWork = row.status == .online || row.status == .degraded || row.condition == WorkspaceCondition(.failed, .registerTimeout)
        guard isAtWork, row.generation == labels.generationNumber, !isAskedToEnd(row, home) else { return nil }
        return Violation(
            invariant: "a live workspace's container is left alone",
            detail: "\(box.facts.name) of a row that is \(row.condition.key) was \(verb)")
    }

    /// What runs without a row is stopped when a person said so, or when it was written down as quarantined, after every time that has to
    /// pass; and never many at once.
    private func beforeEndingRowless(_ box: EngineHost.Box, _ labels: WorkspaceLabels, _ home: Installation, _ verb: String) -> Violation? {
        let id = labels.workspace
        if home.wishes.confirmed.contains(id) || home.wishes.adopted.contains(id) || home.wishes.purgedAt[id] != nil { return nil }
        func breach(_ why: String) -> Violation {
            Violation(invariant: "a container without a row has its time", detail: "\(box.facts.name) was \(verb) \(why)")
        }
        guard let orphan = home.records.orphan(id), orphan.state == .quarantined, let since = orphan.quarantinedAt else {
            return breach("and is not quarantined")
        }
        let policy = OrphanPolicy()
        if verb == "removed" { return stage.now - since < policy.retention ? breach("before its retention was over") : nil }
        if let created = box.facts.createdAt {
            if home.hasForked, created > since { return gap("quarantined before it was made anew elsewhere") }
            if since - created < policy.grace { return breach("within its grace") }
            let known = home.records.knowsInstallationSince
            if created < known, since - known < policy.hold { return breach("during the hold of a new database") }
        }
        return checkFuse(id, Quarantine(at: since, cause: orphan.cause), home)
    }

    /// Within less than one sweep's interval there is at most one sweep, and it takes few of a kind.
    private func checkFuse(_ id: WorkspaceID, _ quarantine: Quarantine, _ home: Installation) -> Violation? {
        home.quarantines[id] = quarantine
        let window = Daemon.sweepInterval - .seconds(1)
        let together = home.quarantines.values.filter { other in
            let distance = quarantine.at - other.at
            return other.cause == quarantine.cause && distance < window && distance > .zero - window
        }
        guard together.count > OrphanPolicy().mostPerCycle else { return nil }
        return Violation(invariant: "one sweep takes few", detail: "\(together.count) were quarantined within a minute")
    }

    /// What somebody worked on goes only when somebody asked for it, or when its time is over.
    func beforeRemoving(_ volume: EngineHost.Volume, by instance: InstanceID) -> Violation? {
        guard let labels = WorkspaceLabels(volume.labels, of: instance), let home = world.home(of: instance) else {
            return Violation(invariant: "foreign volumes are left alone", detail: "\(volume.name) was removed")
        }
        func breach(_ why: String) -> Violation {
            Violation(invariant: "data is kept until its time", detail: "\(volume.name) was removed \(why)")
        }
        guard let row = home.records.row(labels.workspace) else {
            let orphan = home.records.orphan(labels.workspace)
            if isBeingPurged(labels.workspace, orphan, home) { return nil }
            guard orphan?.state == .quarantined, let since = orphan?.quarantinedAt else { return breach("and is not quarantined") }
            return stage.now - since >= OrphanPolicy().retention ? nil : breach("before its retention was over")
        }
        guard volume.lived else { return nil }
        if row.status == .removed { return isAskedAway(row, home) ? nil : breach("and nobody asked for it") }
        if home.hasForked, row.status == .failed || !row.hasLived { return gap("data unknown to its database") }
        return breach("while its row is \(row.condition.key)")
    }

    /// Somebody purges it, out of quarantine. Another decision may overtake that, too late.
    private func isBeingPurged(_ id: WorkspaceID, _ orphan: Orphan?, _ home: Installation) -> Bool {
        guard let asked = home.wishes.purgedAt[id] else { return false }
        return orphan?.state == .quarantined || stage.now - asked < .seconds(120) && orphan?.state != .found
    }

    /// What no policy can know when two databases told two stories; see docs/simulation.md. Counted, not judged.
    private func gap(_ what: String) -> Violation? {
        stage.tally.count("known gap", what)
        return nil
    }

    private func isAskedAway(_ row: Workspace, _ home: Installation) -> Bool {
        isTrue(of: row, orAbove: home) { home.wishes.removed.contains($0) }
    }

    /// A verb that stops it is under way, or was a moment ago: another verb may have overtaken it.
    private func isAskedToEnd(_ row: Workspace, _ home: Installation) -> Bool {
        isTrue(of: row, orAbove: home) { id in home.wishes.endedAt[id].map { stage.now - $0 < .seconds(120) } ?? false }
    }

    private func isTrue(of row: Workspace, orAbove home: Installation, _ holds: (WorkspaceID) -> Bool) -> Bool {
        var seen: Set<WorkspaceID> = []
        var above: Workspace? = row
        while let current = above, seen.insert(current.id).inserted {
            if holds(current.id) { return true }
            above = current.parentID.flatMap { home.records.row($0) }
        }
        return false
    }

    /// One workspace, one running container.
    func afterStart(of box: EngineHost.Box) {
        guard let instance = box.facts.labels[WorkspaceLabels.instance].flatMap(InstanceID.init),
            let workspace = WorkspaceLabels(box.facts.labels, of: instance)?.workspace
        else { return }
        let running = world.host.boxes.filter {
            $0.isUp && WorkspaceLabels($0.facts.labels, of: instance)?.workspace == workspace && !$0.decoy
        }
        guard running.count > 1 else { return }
        stage.violate("a workspace runs once", "\(running.map(\.facts.id).joined(separator: " and ")) run for \(workspace.prefix12)")
    }

    /// Looked at after each call that may make a token.
    func afterTokens(of home: Installation) {
        for row in home.records.rows where home.records.liveTokens(of: row.id) > 1 {
            stage.violate("one token is valid", "\(home.records.liveTokens(of: row.id)) speak for \(row.id.prefix12)")
        }
    }
}
