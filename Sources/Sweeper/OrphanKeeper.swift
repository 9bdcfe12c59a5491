public import Model
import Synchronization

/// Finds what we made and no live row speaks for, quarantines it when it is safe to, and does what people decide about it.
///
/// Every act is written down before it is carried out, and carried out again while it does not hold: a crash in between loses nothing.
public final class OrphanKeeper: OrphanKeeping {
    typealias Backend = ContainerReading & ContainerSurveying & ContainerStopping & ContainerMaking & ContainerRemoving

    struct Memory {
        var sighted: Set<WorkspaceID> = []
        var banner: String?
        var holdAnnounced = false
        var fuseAnnounced: Int?
        var lastTick: Timestamp?
        var lastError: ErrorCode?
    }

    let records: any OrphanRecording
    let engine: any Backend
    let reconciler: any WorkspaceReconciling
    let templates: any TemplateSource
    let tokens: any TokenMaking
    let plan: OrphanPlan
    let instance: InstanceID
    let stopGrace: Duration
    let clock: any TimeSource
    let log: any LogSink
    /// Called when rows came to be that the reconcile loop does not know of.
    let onAdopted: @Sendable () -> Void
    let memory = Mutex(Memory())
    /// A sweep and what people decide never run at once: a decision made before a person's would be carried out after it.
    let turns = Lanes<InstanceID>()

    public init(
        records: any OrphanRecording,
        engine: any ContainerReading & ContainerSurveying & ContainerStopping & ContainerMaking & ContainerRemoving,
        reconciler: any WorkspaceReconciling, templates: any TemplateSource, tokens: any TokenMaking, policy: OrphanPolicy,
        instance: InstanceID, stopGrace: Duration, clock: any TimeSource, log: any LogSink,
        onAdopted: @escaping @Sendable () -> Void = {}
    ) {
        self.records = records
        self.engine = engine
        self.reconciler = reconciler
        self.templates = templates
        self.tokens = tokens
        plan = OrphanPlan(policy: policy)
        self.instance = instance
        self.stopGrace = stopGrace
        self.clock = clock
        self.log = log
        self.onAdopted = onAdopted
    }

    public var banner: String? { memory.withLock { $0.banner } }
    /// When a cycle last ended well.
    public var lastTick: Timestamp? { memory.withLock { $0.lastTick } }
    /// Why the latest cycle could not be made; nil when it could.
    public var lastError: ErrorCode? { memory.withLock { $0.lastError } }

    /// Sweeps now and every `interval`, until the task is cancelled.
    public func run(every interval: Duration) async {
        while !Task.isCancelled {
            do {
                try await sweep()
                let now = clock.now()
                memory.withLock { ($0.lastTick, $0.lastError) = (now, nil) }
            } catch is CancellationError {
                return
            } catch {
                note(error)
            }
            do { try await clock.sleep(for: interval) } catch { return }
        }
    }

    private func note(_ error: any Error) {
        let code = (error as? any CodedError)?.code ?? .internalError
        let isNews = memory.withLock { memory in
            defer { memory.lastError = code }
            return memory.lastError != code
        }
        log.log(isNews ? .warning : .debug, "orphan sweep not finished", [("error", String(describing: error))])
    }

    /// One cycle. Throws, and has done nothing, when store or engine cannot be read.
    public func sweep() async throws {
        guard plan.policy.mode != .off else { return }
        try await turns.run(instance) { try await sweepNow() }
    }

    private func sweepNow() async throws {
        let decision = plan.decide(try await facts())
        memory.withLock { $0.sighted = decision.sighted }
        try await writeDown(decision)
        try await announce(decision)
        for id in decision.cleanup { await reconciler.carryOut(.teardown(id, reason: "its row is removed")) }
        let quarantines = await sideBySide(decision.quarantine) { try await self.quarantine($0) }
        let purges = await sideBySide(decision.purge) { try await self.purge($0) }
        // One that fails keeps no other waiting; it is told when all had their turn.
        for outcome in quarantines + purges { _ = try outcome.get() }
    }

    private static let width = 4

    /// Does `act` to each, a few at a time. The outcomes are in the order of `things`.
    func sideBySide<Outcome: Sendable>(
        _ things: [OrphanCase], _ act: @escaping @Sendable (OrphanCase) async throws -> Outcome
    ) async -> [Result<Outcome, any Error>] {
        await withTaskGroup(of: (Int, Result<Outcome, any Error>).self) { group in
            var outcomes: [Int: Result<Outcome, any Error>] = [:]
            for (index, thing) in things.enumerated() {
                if index >= Self.width, let done = await group.next() { outcomes[done.0] = done.1 }
                group.addTask {
                    do { return (index, .success(try await act(thing))) } catch { return (index, .failure(error)) }
                }
            }
            for await (index, outcome) in group { outcomes[index] = outcome }
            return things.indices.compactMap { outcomes[$0] }
        }
    }

    /// Everything that a decision rests on, read now. Containers before rows: what is made in between has a row, never the reverse.
    func facts() async throws -> OrphanFacts {
        let busy = reconciler.inFlight()
        let containers = try await engine.containers()
        let volumes = try await engine.volumes()
        let known = Dictionary(try await records.orphans().map { ($0.workspaceID, $0) }) { $1 }
        let named = (containers.map(\.labels) + volumes.map(\.labels)).compactMap { WorkspaceLabels($0, of: instance)?.workspace }
        let ids = Array(Set(named).union(known.keys))
        var facts = OrphanFacts(
            containers: containers, volumes: volumes, statuses: try await records.statuses(of: ids), known: known,
            installationSeenAt: try await records.installationSeenAt(), instance: instance, now: clock.now())
        facts.sightedBefore = memory.withLock { $0.sighted }
        facts.inFlight = busy.union(reconciler.inFlight())
        return facts
    }

    private func writeDown(_ decision: OrphanDecision) async throws {
        let now = clock.now()
        guard !decision.saved.isEmpty || !decision.claimed.isEmpty || !decision.gone.isEmpty else { return }
        let news = decision.found.map { AuditEvent(kind: .orphanFound, workspaceID: $0.workspaceID, at: now, payload: $0.facts) }
        let claims = decision.claimed.map { AuditEvent(kind: .orphanClaimed, workspaceID: $0, at: now) }
        try await records.saveOrphans(decision.saved, forgetting: decision.claimed + decision.gone, audit: news + claims)
        for orphan in decision.found {
            log.warning(
                "found without a row", ("workspace", orphan.workspaceID.text), ("name", orphan.name), ("cause", orphan.cause.rawValue))
        }
        for id in decision.claimed { log.info("has a row again", ("workspace", id.text)) }
    }
}

// MARK: - Quarantine and purge

extension OrphanKeeper {
    /// Looked at once more right before the act: somebody may have made a row for it meanwhile.
    private func stillRowless(_ id: WorkspaceID) async throws -> Bool {
        guard !reconciler.inFlight().contains(id) else { return false }
        return try await records.statuses(of: [id])[id] == nil
    }

    /// Returns false, and has done nothing, when a row has come to be for it.
    @discardableResult
    func quarantine(_ thing: OrphanCase) async throws -> Bool {
        var orphan = thing.orphan
        guard try await stillRowless(orphan.workspaceID) else { return false }
        let now = clock.now()
        if orphan.state != .quarantined {
            orphan.state = .quarantined
            orphan.quarantinedAt = now
            try await records.saveOrphans(
                [orphan], forgetting: [],
                audit: [AuditEvent(kind: .orphanQuarantined, workspaceID: orphan.workspaceID, at: now, payload: orphan.facts)])
        }
        for container in thing.containers where container.state.isUp { try await engine.stop(container.id, grace: stopGrace) }
        log.warning(
            "quarantined", ("workspace", orphan.workspaceID.text), ("name", orphan.name), ("cause", orphan.cause.rawValue),
            ("kept_until", ((orphan.quarantinedAt ?? now) + plan.policy.retention).rfc3339))
        return true
    }

    /// Returns false, and has done nothing, when a row has come to be for it.
    @discardableResult
    func purge(_ thing: OrphanCase) async throws -> Bool {
        let id = thing.orphan.workspaceID
        guard try await stillRowless(id) else { return false }
        for container in thing.containers { try await engine.removeContainer(container.id) }
        for volume in thing.volumes { try await engine.removeVolume(volume) }
        try await records.saveOrphans(
            [], forgetting: [id],
            audit: [AuditEvent(kind: .orphanPurged, workspaceID: id, at: clock.now(), payload: thing.orphan.facts)])
        log.warning("purged with its volumes", ("workspace", id.text), ("name", thing.orphan.name))
        return true
    }
}

// MARK: - What people must read

extension OrphanKeeper {
    private func announce(_ decision: OrphanDecision) async throws {
        let banner = banner(decision)
        let news = memory.withLock { memory -> (hold: Bool, fuse: Bool) in
            defer {
                memory.banner = banner
                memory.holdAnnounced = decision.holdUntil != nil
                memory.fuseAnnounced = decision.fuseBlown
            }
            return (
                decision.holdUntil != nil && !memory.holdAnnounced,
                decision.fuseBlown != nil && memory.fuseAnnounced != decision.fuseBlown
            )
        }
        let text = JSONValue.string(banner ?? "")
        var audit: [AuditEvent] = []
        if news.hold { audit.append(AuditEvent(kind: .orphanHoldBegan, workspaceID: nil, at: clock.now(), payload: ["banner": text])) }
        if news.fuse { audit.append(AuditEvent(kind: .orphanFuseBlew, workspaceID: nil, at: clock.now(), payload: ["banner": text])) }
        guard !audit.isEmpty else { return }
        log.error(banner ?? "")
        try await records.saveOrphans([], forgetting: [], audit: audit)
    }

    /// What somebody has just decided shows at once.
    func renewBanner() async {
        do {
            let banner = banner(plan.decide(try await facts()))
            memory.withLock { $0.banner = banner }
        } catch {
            log.debug("banner not renewed, the next sweep does", ("error", String(describing: error)))
        }
    }

    func banner(_ decision: OrphanDecision) -> String? {
        if let until = decision.holdUntil {
            let held = decision.cases.count { $0.orphan.state == .found && $0.orphan.cause == .databaseNew }
            let then =
                plan.policy.mode == .enforce
                ? "Nothing is touched until \(until.rfc3339); then they are stopped, and kept for \(plan.policy.retention.components.seconds / 3600) h."
                : "Nothing is touched: ORPHAN_SWEEP_MODE is \(plan.policy.mode.rawValue)."
            return
                "This database has never known this installation, but \(held) older workspace\(held == 1 ? " is" : "s are") here. \(then) "
                + "Three ways out: point DATABASE_URL or STATE_DIR back to the right database; 'berth orphans adopt --all' to rebuild their rows; 'berth orphans confirm --all' to let them go now."
        }
        if let fuse = decision.fuseBlown {
            return
                "\(fuse) workspace\(fuse == 1 ? " has" : "s have") containers and no row, too many to be stopped by themselves: the database may have been restored from an old copy. "
                + "Restore the right database, or decide: 'berth orphans adopt --all' to rebuild their rows, 'berth orphans confirm --all' to let them go."
        }
        return nil
    }
}

extension Orphan {
    /// For audit events.
    var facts: JSONObject {
        [
            "name": .string(name), "runtime": .string(runtime), "container_id": .optional(containerID), "cause": .string(cause.rawValue),
        ]
    }
}
