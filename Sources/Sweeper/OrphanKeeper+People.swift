public import Model

extension OrphanKeeper {
    public func report() async throws -> OrphanReport {
        let decision = plan.decide(try await facts())
        let entries = decision.cases.map { thing -> OrphanReport.Entry in
            let (next, at) = prospect(of: thing, decision)
            return OrphanReport.Entry(orphan: thing.orphan, running: thing.isUp, volumes: thing.volumes, next: next, nextAt: at)
        }
        return OrphanReport(
            mode: plan.policy.mode.rawValue, banner: banner(decision),
            holdUntil: decision.holdUntil, entries: entries, strangers: try await engine.strangers())
    }

    private func prospect(of thing: OrphanCase, _ decision: OrphanDecision) -> (String, Timestamp?) {
        let orphan = thing.orphan
        switch orphan.state {
        case .restored: return ("left alone until somebody decides", nil)
        case .confirmed: return ("quarantined by the next sweep", nil)
        case .quarantined:
            return ("removed for good, with its volumes", orphan.quarantinedAt.map { $0 + plan.policy.retention })
        case .found: break
        }
        guard plan.policy.mode == .enforce else { return ("nothing: ORPHAN_SWEEP_MODE is \(plan.policy.mode.rawValue)", nil) }
        switch orphan.cause {
        case .rowRemoved: return ("cleaned away: its row says removed", orphan.createdAt.map { $0 + plan.policy.grace })
        case .databaseNew: return ("stopped and kept: the database does not know it", decision.holdUntil)
        case .rowMissing where decision.fuseBlown != nil: return ("nothing until somebody decides: too many at once", nil)
        case .rowMissing: return ("stopped and kept: it has no row", orphan.createdAt.map { $0 + plan.policy.grace })
        }
    }

    public func perform(_ act: OrphanAct, on ids: [WorkspaceID]?, dryRun: Bool) async throws -> [OrphanOutcome] {
        // A dry run decides nothing, and waits for nobody.
        guard !dryRun else { return try await performNow(act, on: ids, dryRun: true) }
        return try await turns.run(instance) { try await performNow(act, on: ids, dryRun: false) }
    }

    private func performNow(_ act: OrphanAct, on ids: [WorkspaceID]?, dryRun: Bool) async throws -> [OrphanOutcome] {
        let cases = plan.decide(try await facts()).cases.filter { $0.orphan.cause != .rowRemoved }
        let outcomes = await sideBySide(try Self.chosen(act, ids, among: cases)) { await self.outcome(of: act, on: $0, dryRun: dryRun) }
        if act == .adopt, !dryRun { onAdopted() }
        if !dryRun { await renewBanner() }
        return try outcomes.map { try $0.get() }
    }

    /// Without ids, those the act is for.
    private static func chosen(_ act: OrphanAct, _ ids: [WorkspaceID]?, among cases: [OrphanCase]) throws -> [OrphanCase] {
        let byID = Dictionary(cases.map { ($0.orphan.workspaceID, $0) }) { $1 }
        guard let ids else { return cases.filter { act.isMeant(for: $0.orphan) } }
        return try ids.map { id in
            guard let thing = byID[id] else {
                throw Failure(
                    .orphanNotFound, "there is no orphan \(id)", next: "`berth orphans list` shows the ones there are.",
                    details: ["id": .string(id.text)])
            }
            return thing
        }
    }

    private func outcome(of act: OrphanAct, on thing: OrphanCase, dryRun: Bool) async -> OrphanOutcome {
        let (id, name) = (thing.orphan.workspaceID, thing.orphan.name)
        do {
            try act.check(thing)
            if dryRun { return OrphanOutcome(id: id, name: name, did: "would be \(act.done)") }
            try await carryOut(act, thing)
            return OrphanOutcome(id: id, name: name, did: act.done)
        } catch {
            let coded = error as? any CodedError
            let failure = Failure(
                coded?.code ?? .internalError, coded?.message ?? "it could not be \(act.done)",
                next: coded?.next ?? "Look into the daemon's log, then try again.")
            log.warning("orphan act failed", ("act", act.rawValue), ("workspace", id.text), ("error", String(describing: error)))
            return OrphanOutcome(id: id, name: name, did: "not \(act.done)", failure: failure)
        }
    }

    private func carryOut(_ act: OrphanAct, _ thing: OrphanCase) async throws {
        switch act {
        case .adopt: try await adopt(thing)
        case .restore: try await restore(thing)
        case .confirm where thing.orphan.state == .quarantined: break  // Its retention goes on.
        case .confirm:
            let id = thing.orphan.workspaceID
            try await records.saveOrphans(
                [thing.orphan.inState(.confirmed)], forgetting: [],
                audit: [AuditEvent(kind: .orphanConfirmed, workspaceID: id, at: clock.now(), payload: thing.orphan.facts)])
            try await Self.require(quarantine(thing), thing)
        case .purge: try await Self.require(purge(thing), thing)
        }
    }

    private static func require(_ done: Bool, _ thing: OrphanCase) throws {
        guard !done else { return }
        let (id, name) = (thing.orphan.workspaceID, thing.orphan.name)
        throw Failure(
            .orphanNotFound, "\(name) has a row again, so nothing was done to it",
            next: "`berth workspaces inspect \(id)` shows it; `berth workspaces delete \(id)` removes it.")
    }

    private func restore(_ thing: OrphanCase) async throws {
        let id = thing.orphan.workspaceID
        try await records.saveOrphans(
            [thing.orphan.inState(.restored)], forgetting: [],
            audit: [AuditEvent(kind: .orphanRestored, workspaceID: id, at: clock.now(), payload: thing.orphan.facts)])
        if let container = thing.orphan.containerID, !thing.isUp { try await engine.start(container) }
        log.info("restored", ("workspace", id.text), ("name", thing.orphan.name))
    }
}

extension OrphanAct {
    fileprivate var done: String {
        switch self {
        case .adopt: "adopted"
        case .restore: "restored"
        case .confirm: "quarantined"
        case .purge: "purged"
        }
    }

    fileprivate func isMeant(for orphan: Orphan) -> Bool {
        switch (self, orphan.state) {
        case (.adopt, _): true
        case (.restore, .quarantined), (.purge, .quarantined): true
        case (.confirm, .found), (.confirm, .confirmed): true
        case (.restore, .found), (.restore, .restored), (.restore, .confirmed), (.confirm, .restored), (.confirm, .quarantined),
            (.purge, .found), (.purge, .restored), (.purge, .confirmed):
            false
        }
    }

    /// Refuses what would surprise.
    fileprivate func check(_ thing: OrphanCase) throws {
        switch self {
        case .purge where thing.orphan.state != .quarantined:
            throw Failure(
                .orphanNotQuarantined, "\(thing.orphan.name) is not quarantined, and only what is can be purged",
                next: "`berth orphans confirm \(thing.orphan.workspaceID)` quarantines it; look at it, then purge.")
        case .restore where thing.orphan.containerID == nil:
            throw Failure(
                .orphanHasNoContainer, "\(thing.orphan.name) has no container that could be started",
                next: "`berth orphans adopt \(thing.orphan.workspaceID)` makes it a workspace again, with a new container on its volumes.")
        case .adopt, .restore, .confirm, .purge: break
        }
    }
}

extension Orphan {
    fileprivate func inState(_ state: State) -> Orphan {
        var orphan = self
        orphan.state = state
        orphan.quarantinedAt = nil
        orphan.awaitsDecision = false
        return orphan
    }
}
