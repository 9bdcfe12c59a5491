public import Model

extension WorkspaceProvisioner: WorkspaceReconciling {
    public func carryOut(_ action: ReconcileAction) async {
        switch action {
        case .resume(let id, let reason): await resume(id, reason: reason)
        case .teardown(let id, let reason):
            log.info("cleaning up", ("workspace", id.text), ("reason", reason))
            _ = await teardown(id)
        case .failExited(let id, let generation, let container, let exitCode):
            await failExited(container, of: id, generation: generation, exitCode: exitCode)
        case .failUnregistered(let id, let generation, let seconds): await failUnregistered(id, generation: generation, seconds: seconds)
        case .moveAddress(let id, let generation, let url): await moveAddress(of: id, to: url, generation: generation)
        case .markOffline, .startAgain, .recreate, .restartSilent, .failCrashLoop, .stopContainers, .removeStale, .hibernate,
            .finishHibernation:
            break
        }
    }

    public func inFlight() -> Set<WorkspaceID> { jobs.workspaces }

    func resume(_ id: WorkspaceID, reason: String) async {
        guard !inFlight().contains(id) else { return }
        log.info("taking up an interrupted provision", ("workspace", id.text), ("reason", reason))
        jobs.start(id) {
            await self.lanes.run(id) {
                do {
                    guard let attempt = try await self.nextAttempt(at: id) else { return }
                    await self.carryOut(attempt)
                } catch {
                    // Store or engine cannot be asked, which proves nothing: the recovery loop comes back to it.
                    self.log.warning("provision not taken up", ("workspace", id.text), ("error", String(describing: error)))
                }
            }
        }
    }

    /// nil when there is nothing to make: the row has moved on, or its container runs already and is only written down. Otherwise a new
    /// generation begins; the old one's token ends with it, and its container goes before the new one is created.
    private func nextAttempt(at id: WorkspaceID) async throws -> ProvisionAttempt? {
        guard let row = try await records.workspace(id), row.status == .provisioning, !row.external else { return nil }
        let own = try await backend.containers(of: id)
        if let running = own.first(where: { $0.generation == row.generation && $0.state == .running }) {
            for stale in own where stale.id != running.id { try await backend.removeContainer(stale.id) }
            try await keep(running, row)
            return nil
        }
        let token = tokens.issue()
        guard let begun = try await records.beginGeneration(of: id, token: token.digest) else { return nil }
        if begun.pendingCleanup { try await records.setPendingCleanup(false, for: id) }
        return ProvisionAttempt(workspace: begun, token: token)
    }

    /// The container was started before the interruption: only the writing down is missing.
    private func keep(_ container: ContainerFacts, _ row: Workspace) async throws {
        if row.pendingCleanup { try await records.setPendingCleanup(false, for: row.id) }
        if row.containerID == container.id, row.url != nil { return }
        try await records.recordContainer(container.id, image: row.image, for: row.id, generation: row.generation)
        do {
            try await recordAddress(of: container.id, row)
            let journal = ProvisionJournal(
                id: row.id, records: records, live: live, clock: clock, began: row.provisionStartedAt ?? clock.now())
            try await journal.started(.agent)
        } catch let exit as ContainerExit {
            await fail(row, because: exit)
        }
    }

    func teardown(_ id: WorkspaceID) async -> ErrorCode? {
        await lanes.run(id) {
            do { return try await removals.run { await cleanUp(id) } } catch { return .shuttingDown }
        }
    }

    func failExited(_ container: ContainerFacts, of id: WorkspaceID, generation: Int, exitCode: Int?) async {
        await lanes.run(id) {
            guard let row = await waitingRow(id, generation) else { return }
            await unbroken { await self.fail(row, because: ContainerExit(container, exitCode: exitCode)) }
        }
    }

    func failUnregistered(_ id: WorkspaceID, generation: Int, seconds: Int) async {
        await lanes.run(id) {
            guard let row = await waitingRow(id, generation) else { return }
            do {
                let container = try await backend.containers(of: id).first { $0.generation == generation }
                let message = "the container started, but its agent did not register within \(seconds) seconds"
                let failure = WorkspaceFailure(
                    code: .registerTimeout, message: message,
                    next:
                        "Read the workspace's logs and check that the container reaches PLATFORM_URL; it recovers by itself when its agent comes.",
                    logTail: await logTail(of: container, id), at: clock.now())
                _ = try await records.apply(
                    .registerDeadlinePassed(seconds: seconds, runtime: row.runtime, message: message), failure: failure, to: id,
                    generation: generation)
            } catch {
                log.warning("register deadline not recorded", ("workspace", id.text), ("error", String(describing: error)))
            }
        }
    }

    func moveAddress(of id: WorkspaceID, to url: String?, generation: Int) async {
        do {
            try await records.recordAddress(url, for: id, generation: generation)
            log.info(url == nil ? "address is nobody's now" : "address moved by the engine", ("workspace", id.text))
        } catch {
            log.warning("moved address not recorded", ("workspace", id.text), ("error", String(describing: error)))
        }
    }

    /// The row, when it still waits for the agent of `generation`.
    private func waitingRow(_ id: WorkspaceID, _ generation: Int) async -> Workspace? {
        do {
            guard let row = try await records.workspace(id), row.status == .provisioning, row.generation == generation else { return nil }
            return row
        } catch {
            log.warning("row not readable", ("workspace", id.text), ("error", String(describing: error)))
            return nil
        }
    }
}
