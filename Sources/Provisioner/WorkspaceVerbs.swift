public import Model

/// How a restart treats what is there.
public struct RestartOptions: Sendable {
    /// Copy the template's files over those in `/configs`; without it the agent's own edits stay.
    public var applyTemplate = false
    /// Another template than the row's, applied and kept with the row.
    public var template: String?
    /// Forget the runtime's saved session.
    public var resetSession = false

    public init() {}
}

/// What a pause or a hibernation did. The statuses hold in any case; `failures` name workspaces whose container still runs and is tried again.
public struct StopReport: Sendable {
    /// The root first, then its descendants.
    public let stopped: [Workspace]
    public let failures: [Deletion.Problem]

    public init(stopped: [Workspace], failures: [Deletion.Problem]) {
        self.stopped = stopped
        self.failures = failures
    }
}

// MARK: - Restart and resume

extension WorkspaceProvisioner {
    /// Makes a new container on the same volumes, as a new generation. Returns the row, `provisioning`. Throws `workspace_not_found`,
    /// `workspace_removed`, `external_workspace`, `parent_paused`, `template_not_found`.
    public func restart(_ id: WorkspaceID, _ options: RestartOptions) async throws -> Workspace {
        let row = try await ownRow(id)
        try await checkAncestors(of: row)
        if let template = options.template { try await use(template, for: row) }
        jobs.cancel(id)
        let token = tokens.issue()
        let startable = Set(WorkspaceStatus.allCases).subtracting([.removed])
        guard let begun = try await records.startProvision(of: id, token: token.digest, from: startable) else { throw Self.removed }
        var attempt = ProvisionAttempt(workspace: begun, token: token)
        attempt.appliesTemplate = options.applyTemplate || options.template != nil
        attempt.resetsSession = options.resetSession
        launch(attempt, as: .restart)
        return begun
    }

    private func use(_ template: String, for row: Workspace) async throws {
        let catalog = await templates.catalog()
        guard let found = catalog[template] else {
            throw Failure(
                .templateNotFound, "invalid template", next: "`berth templates list` names the templates of this daemon.",
                details: ["template": .string(String(template.prefix(100)))])
        }
        guard found.runtime == row.runtime else {
            throw FieldRules.invalidField("template", "is for the runtime \(found.runtime), the workspace has \(row.runtime)")
        }
        var change = WorkspaceChange()
        change.template = .some(found.id)
        if let image = found.image { change.image = image }
        _ = try await records.change(row.id, change)
    }

    /// Starts `id` and its paused descendants. Returns the rows, `provisioning`. Throws `workspace_not_found`, `wrong_state`, `parent_paused`.
    public func resume(_ id: WorkspaceID) async throws -> [Workspace] {
        let root = try await row(id)
        guard root.status == .paused else { throw Self.wrongState("workspace not found or not paused", root) }
        try await checkAncestors(of: root)
        var resumed: [Workspace] = []
        for row in [root] + (try await records.liveDescendants(of: id)) where row.status == .paused {
            guard let begun = try await bringBack(row) else { continue }
            resumed.append(begun)
        }
        return resumed
    }

    /// The container that rests is started; one that is not there, or no longer what the row asks for, is made.
    private func bringBack(_ row: Workspace) async throws -> Workspace? {
        if row.external {
            return try await records.apply(.agentReleased, failure: nil, to: row.id, generation: nil)
        }
        guard let begun = try await records.startProvision(of: row.id, token: nil, from: [.paused]) else { return nil }
        start(begun, as: .resume)
        return begun
    }

    /// Brings a `provisioning` row's container up, in the background.
    private func start(_ row: Workspace, as kind: WorkspaceOperation.Kind) {
        let id = row.id
        work(kind, on: id) { running in
            do {
                switch try await self.nextStep(at: id) {
                case .nothing: return .succeeded
                case .start(let row, let container): return try await self.startExisting(container.id, row, running)
                case .make(let attempt): return await self.carryOut(attempt, running)
                }
            } catch {
                // The row stays `provisioning`, and the reconciler takes it up again.
                self.log.warning("not started yet", ("workspace", id.text), ("error", String(describing: error)))
                return error is CancellationError ? .cancelled : .interrupted
            }
        }
    }
}

extension WorkspaceProvisioner: WorkspaceWaking {
    public func wake(_ id: WorkspaceID) async {
        do {
            guard let begun = try await records.startProvision(of: id, token: nil, from: [.hibernated]) else { return }
            log.info("waking", ("workspace", id.text))
            start(begun, as: .wake)
        } catch {
            log.warning("not woken", ("workspace", id.text), ("error", String(describing: error)))
        }
    }

    public func workBegan(on id: WorkspaceID) {
        let now = clock.now()
        if conversations.begin(id, at: now) { note(id, now) }
    }

    public func workEnded(on id: WorkspaceID) {
        let now = clock.now()
        if conversations.end(id, at: now) { note(id, now) }
    }

    public func atWork() -> Set<WorkspaceID> { conversations.workspaces }

    private func note(_ id: WorkspaceID, _ now: Timestamp) {
        Task {
            do {
                try await records.noteWork(on: id, at: now)
            } catch {
                log.debug("work not noted", ("workspace", id.text), ("error", String(describing: error)))
            }
        }
    }
}

// MARK: - Pause and hibernation

extension WorkspaceProvisioner {
    /// Stops `id` and its descendants and keeps them stopped. Throws `workspace_not_found`, `wrong_state`.
    public func pause(_ id: WorkspaceID) async throws -> StopReport {
        let root = try await row(id)
        guard root.status != .removed, root.status != .paused else { throw Self.wrongState("workspace not found or already paused", root) }
        let moved = try await records.pauseFamily(of: id)
        for row in moved { jobs.cancel(row.id) }
        return StopReport(stopped: moved, failures: await stopAll(moved, as: .pause))
    }

    /// Stops `id` until the next message. Throws `workspace_not_found`, `wrong_state`, `external_workspace`, and `tasks_active` (with
    /// `details.active_tasks`) unless `force`.
    public func hibernate(_ id: WorkspaceID, force: Bool) async throws -> StopReport {
        let row = try await ownRow(id)
        if !force, conversations.workspaces.contains(id) { throw Self.busy(max(1, row.activeTasks)) }
        return try await jobs.holding(id) { await self.claimAndStop(row, force) }.get()
    }

    private func claimAndStop(_ row: Workspace, _ force: Bool) async -> Result<StopReport, any Error> {
        let id = row.id
        let claim: HibernationClaim
        do { claim = try await records.claimHibernation(of: id, evenBusy: force, idleSince: nil) } catch { return .failure(error) }
        switch claim {
        case .busy(let tasks): return .failure(Self.busy(tasks))
        case .notNow: return .failure(Self.wrongState("workspace not found or not online", row))
        case .claimed(let row):
            let code = await unbroken {
                await self.attend(.hibernate, on: id) { await self.completeHibernation(of: id, evenAtWork: force) }
            }
            return .success(StopReport(stopped: [row], failures: code.map { [Deletion.Problem(id: id, code: $0)] } ?? []))
        }
    }

    private static func busy(_ tasks: Int) -> Failure {
        Failure(
            .tasksActive, "the agent is at work: \(tasks) active task\(tasks == 1 ? "" : "s")",
            next: "Wait for it to finish, or repeat with force=true.", details: ["active_tasks": .int(tasks)])
    }

    func hibernateIdle(_ id: WorkspaceID, _ idleSince: Timestamp) async {
        do {
            guard !conversations.workspaces.contains(id) else { return }
            guard case .claimed = try await records.claimHibernation(of: id, evenBusy: false, idleSince: idleSince) else { return }
            log.info("hibernating", ("workspace", id.text), ("idle_since", idleSince.rfc3339))
            finishHibernation(id)
        } catch {
            log.warning("not hibernated", ("workspace", id.text), ("error", String(describing: error)))
        }
    }

    func finishHibernation(_ id: WorkspaceID) {
        guard !inFlight().contains(id) else { return }
        jobs.start(id) { _ = await self.attend(.hibernate, on: id) { await self.completeHibernation(of: id, evenAtWork: false) } }
    }

    /// Returns why its container still runs; then the row stays `hibernating` and is tried again.
    private func completeHibernation(of id: WorkspaceID, evenAtWork: Bool) async -> ErrorCode? {
        await lanes.run(id) {
            do {
                guard let row = try await records.workspace(id), row.status == .hibernating else { return nil }
                // A message that was let in before the claim is answered first.
                guard evenAtWork || !conversations.workspaces.contains(id) else {
                    _ = try await records.apply(.hibernationAbandoned, failure: nil, to: id, generation: row.generation)
                    return nil
                }
                try await stopContainers(of: id)
                _ = try await records.apply(
                    .hibernationCompleted(name: row.name, tier: row.tier), failure: nil, to: id, generation: row.generation)
                return nil
            } catch {
                log.warning("hibernation not finished yet", ("workspace", id.text), ("error", String(describing: error)))
                return (error as? any CodedError)?.code ?? .internalError
            }
        }
    }

    /// Side by side, each with its own time.
    private func stopAll(_ rows: [Workspace], as kind: WorkspaceOperation.Kind) async -> [Deletion.Problem] {
        await unbroken {
            await self.sideBySide(rows.filter { !$0.external }.map(\.id)) { id in
                await self.attend(kind, on: id) { await self.stopNow(id) }
            }
        }
    }

    private func stopNow(_ id: WorkspaceID) async -> ErrorCode? {
        await lanes.run(id) {
            do {
                guard let row = try await records.workspace(id), row.shouldRest else { return nil }
                try await stopContainers(of: id)
                return nil
            } catch {
                log.warning("stop failed, it is tried again", ("workspace", id.text), ("error", String(describing: error)))
                return (error as? any CodedError)?.code ?? .internalError
            }
        }
    }
}

// MARK: - Changes and interventions

extension WorkspaceProvisioner {
    /// Changes the row in one transaction. Throws `invalid_field`, `tier_not_allowed`, `runtime_unknown`, `parent_cycle`,
    /// `workspace_not_found`, `workspace_removed`, and `field_forbidden` when an agent names a field that is for people.
    public func update(_ id: WorkspaceID, _ change: WorkspaceChange, byAgent: Bool) async throws -> Workspace {
        if byAgent, let field = change.fieldsForPeople.first {
            throw Failure(
                .fieldForbidden, "an agent may not change \(change.fieldsForPeople.joined(separator: ", "))",
                next: "Ask a person: an admin may.",
                details: ["field": .string(field), "fields": .array(change.fieldsForPeople.map(JSONValue.string))])
        }
        let row = try await row(id)
        guard row.status != .removed else { throw Self.removed }
        guard !change.isEmpty else { return row }
        let judged = try await ChangeRules(settings: settings, catalog: await templates.catalog()).judge(change, of: row)
        guard let changed = try await records.change(id, judged) else { throw Self.missing }
        return changed
    }

    /// Somebody who watches the boot says that it failed; the workspace's secrets in their words are hidden. False when the workspace is no longer `provisioning`. Throws `workspace_not_found`.
    public func bootstrapFailed(_ id: WorkspaceID, error: String, logTail: String) async throws -> Bool {
        _ = try await row(id)
        let secrets = try await records.secrets(of: id).values
        let (error, logTail) = (error.hiding(secrets), logTail.hiding(secrets))
        let failure = WorkspaceFailure(
            code: .bootstrapFailed, message: error,
            next: "Read the log lines; it recovers by itself when its agent comes, or restart it when its cause is mended.",
            logTail: logTail.isEmpty ? nil : logTail, at: clock.now())
        let moved = try await records.apply(
            .bootstrapFailed(message: error, logTail: logTail), failure: failure, to: id, generation: nil)
        return moved != nil
    }

    /// Ends a provision that waits or runs: the row fails with `provision_cancelled`, what was made is removed, and data of a workspace that
    /// has lived is kept. Throws `workspace_not_found`, `wrong_state` when nothing is under way.
    public func cancel(_ id: WorkspaceID) async throws -> Workspace {
        let row = try await ownRow(id)
        guard row.status == .provisioning else { throw Self.wrongState("nothing is under way that could be cancelled", row) }
        jobs.cancel(id)
        if row.kept != nil {
            // What is cancelled is the trial of another image: the former container comes back.
            jobs.start(id) { await self.endCancelledTrial(id) }
            return row
        }
        let cause = Failure(
            .provisionCancelled, "the provision was cancelled", next: "Start it again with: berth workspaces restart \(id).")
        // The engine may take its time with a call that is under way: the caller does not wait for that, and the cleanup does.
        guard await unbroken({ await self.recordFailure(of: row, because: cause) }) else { throw StoreError.unavailable }
        jobs.start(id) { _ = await self.teardown(id) }
        return try await self.row(id)
    }

    /// 1 for the next in line; nil when it does not wait for a slot.
    public func queuePosition(of id: WorkspaceID) -> Int? { provisions.position(of: id) }

    /// How many provisions wait for a slot.
    public var queueLength: Int { provisions.waitingCount }
}

// MARK: - Rows and refusals

extension WorkspaceProvisioner {
    private func row(_ id: WorkspaceID) async throws -> Workspace {
        guard let row = try await records.workspace(id) else { throw Self.missing }
        return row
    }

    /// The live row of a workspace whose container is ours.
    private func ownRow(_ id: WorkspaceID) async throws -> Workspace {
        let row = try await row(id)
        guard row.status != .removed else { throw Self.removed }
        guard !row.external else {
            throw Failure(
                .externalWorkspace, "\(row.name) lives elsewhere: there is no container here",
                next: "Do it where the agent runs; this daemon only hears its heartbeats.")
        }
        return row
    }

    /// Before anything is changed; the transaction that starts a container asks once more.
    private func checkAncestors(of row: Workspace) async throws {
        var above: [WorkspaceID: Workspace] = [:]
        var next = row.parentID
        while let id = next, above[id] == nil, let ancestor = try await records.workspace(id) {
            above[id] = ancestor
            next = ancestor.parentID
        }
        try Ancestry.checkStart(of: row) { above[$0] }
    }

    static let missing = Failure(
        .workspaceNotFound, "workspace not found", next: "`berth workspaces list` names the workspaces that exist.")
    static let removed = Failure(
        .workspaceRemoved, "workspace removed", next: "It will not come back: create a new workspace.")

    private static func wrongState(_ text: String, _ row: Workspace) -> Failure {
        Failure(
            .wrongState, text, next: "The workspace is \(row.status.rawValue); `berth workspaces get \(row.id)` says why.",
            details: ["status": .string(row.status.rawValue)])
    }
}
