public import Model

/// What the operator decides about orphans.
public struct OrphanPolicy: Sendable, Hashable {
    /// `ORPHAN_SWEEP_MODE`
    public enum Mode: String, Sendable, CaseIterable {
        case off, report, enforce
    }

    public var mode: Mode = .enforce
    /// `ORPHAN_GRACE_SECONDS`: younger things are left alone.
    public var grace: Duration = .seconds(600)
    /// `ORPHAN_MAX_REAP_PER_CYCLE`: what one cycle takes by itself, at most.
    public var mostPerCycle = 5
    /// `ORPHAN_WIPED_HOLD_SECONDS`: how long what is older than the database is left alone.
    public var hold: Duration = .seconds(1800)
    /// `VOLUME_RETENTION_HOURS`: how long a quarantined container and its volumes are kept.
    public var retention: Duration = .seconds(168 * 3600)

    public init() {}
}

/// What one cycle knows. All of it was read in this cycle; if anything could not be read there is no cycle.
public struct OrphanFacts: Sendable {
    /// Ours, in any state.
    public var containers: [ContainerFacts]
    public var volumes: [VolumeFacts]
    /// Of every workspace that they, or `known`, name and that has a row.
    public var statuses: [WorkspaceID: WorkspaceStatus]
    public var known: [WorkspaceID: Orphan]
    /// What the cycle before this one saw.
    public var sightedBefore: Set<WorkspaceID> = []
    public var inFlight: Set<WorkspaceID> = []
    public var installationSeenAt: Timestamp
    public var instance: InstanceID
    public var now: Timestamp

    public init(
        containers: [ContainerFacts], volumes: [VolumeFacts], statuses: [WorkspaceID: WorkspaceStatus], known: [WorkspaceID: Orphan],
        installationSeenAt: Timestamp, instance: InstanceID, now: Timestamp
    ) {
        self.containers = containers
        self.volumes = volumes
        self.statuses = statuses
        self.known = known
        self.installationSeenAt = installationSeenAt
        self.instance = instance
        self.now = now
    }
}

/// One thing without a live row, with all we found of it.
public struct OrphanCase: Sendable, Hashable {
    public var orphan: Orphan
    public var containers: [ContainerFacts]
    public var volumes: [String]

    public var isUp: Bool { containers.contains(where: \.state.isUp) }
}

/// What one cycle wants done.
public struct OrphanDecision: Sendable {
    /// Removed rows whose things are still there.
    public var cleanup: [WorkspaceID] = []
    /// To be stopped and kept; also those that were quarantined and run again.
    public var quarantine: [OrphanCase] = []
    /// Past their retention.
    public var purge: [OrphanCase] = []
    /// Everything without a row, in the order of their names.
    public var cases: [OrphanCase] = []
    /// Records that are new or say something new; those of things never seen before are in `found` as well.
    public var saved: [Orphan] = []
    public var found: [Orphan] = []
    /// Records of what has a row again, or is gone.
    public var claimed: [WorkspaceID] = []
    public var gone: [WorkspaceID] = []
    public var sighted: Set<WorkspaceID> = []
    /// Until when things older than the database are left alone; nil when there are none, or the time is over.
    public var holdUntil: Timestamp?
    /// How many the fuse keeps from being taken; nil when it has not blown.
    public var fuseBlown: Int?

    public init() {}
}

/// Containers and volumes of ours against rows: pass one finds what a removed row still has, pass two what has no row at all. Pure.
public struct OrphanPlan: Sendable {
    public let policy: OrphanPolicy

    public init(policy: OrphanPolicy) { self.policy = policy }

    public func decide(_ facts: OrphanFacts) -> OrphanDecision {
        var decision = OrphanDecision()
        let things = Self.things(facts)
        for (id, thing) in things.sorted(by: { $0.key.text < $1.key.text }) where !facts.inFlight.contains(id) {
            if let status = facts.statuses[id] {
                if status == .removed { judgeRemoved(thing, facts, &decision) }
            } else {
                judgeRowless(thing, facts, &decision)
            }
        }
        for id in facts.known.keys.sorted(by: { $0.text < $1.text }) {
            if facts.statuses[id] != nil { decision.claimed.append(id) } else if things[id] == nil { decision.gone.append(id) }
        }
        choose(facts, &decision)
        return decision
    }

    /// What each workspace's labels are on.
    private static func things(_ facts: OrphanFacts) -> [WorkspaceID: OrphanCase] {
        var things: [WorkspaceID: OrphanCase] = [:]
        // The newest container first: its labels speak for the workspace.
        for container in facts.containers.sorted(by: { ($0.generation, $0.id) > ($1.generation, $1.id) }) {
            guard let labels = WorkspaceLabels(container.labels, of: facts.instance) else { continue }
            let orphan = Orphan(
                labels: labels, containerID: container.id, cause: cause(of: container.createdAt, facts), createdAt: container.createdAt,
                firstSeenAt: facts.now)
            things[labels.workspace, default: OrphanCase(orphan: orphan, containers: [], volumes: [])].containers.append(container)
        }
        for volume in facts.volumes {
            guard let labels = WorkspaceLabels(volume.labels, of: facts.instance) else { continue }
            let orphan = Orphan(
                labels: labels, containerID: nil, cause: cause(of: volume.createdAt, facts), createdAt: volume.createdAt,
                firstSeenAt: facts.now)
            things[labels.workspace, default: OrphanCase(orphan: orphan, containers: [], volumes: [])].volumes.append(volume.name)
        }
        return things
    }

    /// What does not say when it was made is taken for old: that is the careful guess.
    private static func cause(of createdAt: Timestamp?, _ facts: OrphanFacts) -> Orphan.Cause {
        createdAt.map { $0 >= facts.installationSeenAt } ?? false ? .rowMissing : .databaseNew
    }

    private func judgeRemoved(_ thing: OrphanCase, _ facts: OrphanFacts, _ decision: inout OrphanDecision) {
        let id = thing.orphan.workspaceID
        var thing = thing
        thing.orphan.cause = .rowRemoved
        decision.cases.append(thing)
        decision.sighted.insert(id)
        if isRipe(thing, facts) { decision.cleanup.append(id) }
    }

    private func judgeRowless(_ thing: OrphanCase, _ facts: OrphanFacts, _ decision: inout OrphanDecision) {
        let id = thing.orphan.workspaceID
        var thing = thing
        if let known = facts.known[id] {
            thing.orphan.state = known.state
            thing.orphan.firstSeenAt = known.firstSeenAt
            thing.orphan.quarantinedAt = known.quarantinedAt
            thing.orphan.awaitsDecision = known.awaitsDecision
        } else {
            decision.found.append(thing.orphan)
        }
        if thing.orphan != facts.known[id] { decision.saved.append(thing.orphan) }
        decision.cases.append(thing)
        decision.sighted.insert(id)
    }

    /// Old enough, and seen by the cycle before this one.
    private func isRipe(_ thing: OrphanCase, _ facts: OrphanFacts) -> Bool {
        let age = thing.orphan.createdAt.map { facts.now - $0 } ?? policy.grace
        return age >= policy.grace && facts.sightedBefore.contains(thing.orphan.workspaceID)
    }
}

// MARK: - Whom this cycle takes

extension OrphanPlan {
    private func choose(_ facts: OrphanFacts, _ decision: inout OrphanDecision) {
        let rowless = decision.cases.filter { $0.orphan.cause != .rowRemoved }
        let held = rowless.filter { $0.orphan.state == .found && $0.orphan.cause == .databaseNew }
        let holdEnd = facts.installationSeenAt + policy.hold
        if !held.isEmpty, facts.now < holdEnd { decision.holdUntil = holdEnd }
        guard policy.mode == .enforce else {
            decision.cleanup = []
            return
        }
        decision.purge = rowless.filter { isOver($0.orphan, facts) }
        let purged = Set(decision.purge.map(\.orphan.workspaceID))
        decision.quarantine = rowless.filter { thing in
            switch thing.orphan.state {
            case .confirmed: true
            case .quarantined: thing.isUp && !purged.contains(thing.orphan.workspaceID)
            case .found, .restored: false
            }
        }
        // The young ones count, too: they would ripen one by one, each alone in its cycle.
        let missing = rowless.filter {
            $0.orphan.state == .found && $0.orphan.cause == .rowMissing
                && ($0.orphan.awaitsDecision || facts.sightedBefore.contains($0.orphan.workspaceID))
        }
        guard isFused(missing, facts) else {
            decision.quarantine += missing.filter { isRipe($0, facts) }
            if facts.now >= holdEnd {
                // Whoever was to be asked has had the whole hold; still in batches, so that a mistake can be stopped in the middle.
                decision.quarantine += held.filter { isRipe($0, facts) }.prefix(policy.mostPerCycle)
            }
            return
        }
        decision.fuseBlown = missing.count
        for var orphan in missing.map(\.orphan) where !orphan.awaitsDecision {
            orphan.awaitsDecision = true
            decision.saved.removeAll { $0.workspaceID == orphan.workspaceID }
            decision.saved.append(orphan)
        }
    }

    private func isOver(_ orphan: Orphan, _ facts: OrphanFacts) -> Bool {
        guard orphan.state == .quarantined, let since = orphan.quarantinedAt else { return false }
        return facts.now - since >= policy.retention
    }

    /// A database that misses many rows at once was restored from an old copy sooner than it is right. While one of those waits for a person,
    /// the database stays in doubt: what that person has decided about the others does not make the rest few enough to be taken.
    private func isFused(_ missing: [OrphanCase], _ facts: OrphanFacts) -> Bool {
        guard !missing.isEmpty else { return false }
        if missing.contains(where: \.orphan.awaitsDecision) { return true }
        let quarantined = Set(facts.known.values.filter { $0.state == .quarantined }.map(\.workspaceID))
        let ours = Set(facts.containers.compactMap { WorkspaceLabels($0.labels, of: facts.instance)?.workspace })
            .union(missing.map(\.orphan.workspaceID)).subtracting(quarantined)
        return missing.count > policy.mostPerCycle || missing.count * 2 > ours.count
    }
}
