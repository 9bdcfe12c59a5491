public import Model

extension WorkspaceProvisioner: WorkspaceReconciling {
    public func inFlight() -> Set<WorkspaceID> { jobs.workspaces }

    public func carryOut(_ action: ReconcileAction) async {
        switch action {
        case .resume(let id, let reason): takeUp(id, reason)
        case .startAgain(let id, let generation, _, let reason): startAgain(id, generation, reason)
        case .recreate(let id, let generation, let reason): recreate(id, generation, reason)
        case .restartSilent(let id, let generation, let container, let reason): restartSilent(id, generation, container, reason)
        case .teardown(let id, let reason):
            log.info("cleaning up", ("workspace", id.text), ("reason", reason))
            _ = await teardown(id)
        case .failExited(let id, let generation, let container, let exitCode):
            await failExited(container, of: id, generation: generation, exitCode: exitCode)
        case .failUnregistered(let id, let generation, let seconds): await failUnregistered(id, generation: generation, seconds: seconds)
        case .failCrashLoop(let id, let generation, let container, let code, let message):
            await failCrashLoop(id, generation, container, code, message)
        case .moveAddress(let id, let generation, let url): await moveAddress(of: id, to: url, generation: generation)
        case .markOffline(let id, let generation, let reason): await markOffline(id, generation, reason)
        case .stopContainers(let id, let reason): await stopResting(id, reason)
        case .removeStale(let id, let containers): await removeStale(id, containers)
        case .hibernate(let id, _, let idleSince): await hibernateIdle(id, idleSince)
        case .finishHibernation(let id): finishHibernation(id)
        case .settleTrial(let id, let reason): settleTrial(id, reason)
        case .removeCanary(let id, let reason):
            log.info("removing a canary", ("workspace", id.text), ("reason", reason))
            await removeCanary(id)
        }
    }
}

// MARK: - Starting what should run

extension WorkspaceProvisioner {
    /// Whether the row still is what an action was decided on.
    private static let startable: Set<WorkspaceStatus> = [.provisioning, .online, .degraded, .offline]

    private func takeUp(_ id: WorkspaceID, _ reason: String) {
        recover(id, reason) { running in
            switch try await self.nextStep(at: id) {
            case .nothing: return .succeeded
            case .start(let row, let container): return try await self.startExisting(container.id, row, running)
            case .make(let attempt): return await self.carryOut(attempt, running)
            }
        }
    }

    private func startAgain(_ id: WorkspaceID, _ generation: Int, _ reason: String) {
        recover(id, reason) { running in
            guard let row = try await self.startableRow(id, generation) else { return .succeeded }
            let current = try await self.backend.containers(of: id).first { $0.isMade(for: row) }
            guard let current else { return try await self.makeAnother(of: row, running) }
            guard !current.state.isUp else { return .succeeded }
            return try await self.startExisting(current.id, row, running)
        }
    }

    private func recreate(_ id: WorkspaceID, _ generation: Int, _ reason: String) {
        recover(id, reason) { running in
            guard let row = try await self.startableRow(id, generation) else { return .succeeded }
            let current = try await self.backend.containers(of: id).first { $0.isMade(for: row) }
            // What came back meanwhile is kept.
            guard current.map({ !$0.state.isUp }) ?? true else { return .succeeded }
            return try await self.makeAnother(of: row, running)
        }
    }

    private func restartSilent(_ id: WorkspaceID, _ generation: Int, _ container: String, _ reason: String) {
        recover(id, reason) { running in
            guard let row = try await self.startableRow(id, generation), row.status == .offline else { return .succeeded }
            try await unbroken { try await self.backend.stop(container, grace: self.settings.stopGrace) }
            return try await self.startExisting(container, row, running)
        }
    }

    /// Runs `body` as a `recover` operation, unless somebody works on the workspace already.
    func recover(
        _ id: WorkspaceID, _ reason: String,
        _ body: @escaping @Sendable (_ running: @escaping @Sendable () async -> Void) async throws -> WorkOutcome
    ) {
        guard !inFlight().contains(id) else { return }
        log.info("recovering", ("workspace", id.text), ("reason", reason))
        work(.recover, on: id, reason: reason) { running in
            do {
                return try await body(running)
            } catch is CancellationError {
                return .cancelled
            } catch {
                // Store or engine cannot be asked, which proves nothing: the reconcile loop comes back to it.
                self.log.warning("not recovered yet", ("workspace", id.text), ("error", String(describing: error)))
                let coded = error as? any CodedError
                return .failed(coded?.code ?? .internalError, "it is tried again")
            }
        }
    }

    private func startableRow(_ id: WorkspaceID, _ generation: Int) async throws -> Workspace? {
        guard let row = try await records.workspace(id), row.generation == generation, Self.startable.contains(row.status), !row.external
        else { return nil }
        return row
    }

    /// Starts a container that ran before. One that the engine will not start again (after a crash of the engine it may refuse for ever) is
    /// made anew on the same volumes.
    func startExisting(
        _ container: String, _ row: Workspace, _ running: @escaping @Sendable () async -> Void
    ) async throws -> WorkOutcome {
        let journal = ProvisionJournal(id: row.id, records: records, live: live, clock: clock, began: clock.now())
        do {
            try await restarts.run {
                await running()
                try await journal.phase(.start) { try await start(container, row) }
            }
            try await journal.started(.agent)
            return .succeeded
        } catch let error as BackendError where error.kind != .unavailable {
            log.warning("cannot be started again, so it is made anew", ("workspace", row.id.text), ("error", String(describing: error)))
            return try await makeAnother(of: row, running)
        } catch is ContainerExit {
            // It ran, and ended at once: its end is an event, and the restart budget judges it.
            return .failed(.containerExited, "the container ended as soon as it was started")
        }
    }

    private func makeAnother(of row: Workspace, _ running: @escaping @Sendable () async -> Void) async throws -> WorkOutcome {
        let token = tokens.issue()
        guard let begun = try await records.startProvision(of: row.id, token: token.digest, from: Self.startable) else { return .succeeded }
        return await carryOut(ProvisionAttempt(workspace: begun, token: token), running)
    }

    /// What is to be done about a row that is `provisioning`. A new generation ends the old one's token, and its container goes before the
    /// new one is created.
    func nextStep(at id: WorkspaceID) async throws -> ProvisionStep {
        guard let row = try await records.workspace(id), row.status == .provisioning, !row.external else { return .nothing }
        let own = try await backend.containers(of: id)
        let current = own.first { $0.isMade(for: row) }
        if let current, current.state == .running {
            for stale in own where stale.id != current.id && stale.id != row.kept?.id { try await backend.removeContainer(stale.id) }
            try await keep(current, row)
            return .nothing
        }
        if row.pendingCleanup { try await records.setPendingCleanup(false, for: id) }
        if let current, current.state == .exited, current.startedAt != nil, row.hasLived, row.drift(of: current).isEmpty {
            return .start(row, current)
        }
        let token = tokens.issue()
        guard let begun = try await records.startProvision(of: id, token: token.digest, from: [.provisioning]) else { return .nothing }
        return .make(ProvisionAttempt(workspace: begun, token: token))
    }

    /// The container was started before the interruption: only the writing down is missing.
    private func keep(_ container: ContainerFacts, _ row: Workspace) async throws {
        if row.pendingCleanup { try await records.setPendingCleanup(false, for: row.id) }
        if row.containerID == container.id, row.url != nil { return }
        try await records.recordContainer(
            container.id, version: try await version(of: container), for: row.id, generation: row.generation)
        do {
            try await recordAddress(of: container.id, row)
            let journal = ProvisionJournal(
                id: row.id, records: records, live: live, clock: clock, began: row.provisionStartedAt ?? clock.now())
            try await journal.started(.agent)
        } catch let exit as ContainerExit {
            if !row.hasLived { await fail(row, because: exit) }
        }
    }
}

// MARK: - Writing down what is

extension WorkspaceProvisioner {
    private func markOffline(_ id: WorkspaceID, _ generation: Int, _ reason: String) async {
        do {
            guard try await records.apply(.agentLost(reason: reason), failure: nil, to: id, generation: generation) != nil else { return }
            log.warning("offline", ("workspace", id.text), ("reason", reason))
        } catch {
            log.warning("loss of the agent not recorded", ("workspace", id.text), ("error", String(describing: error)))
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

    /// The row first: while it says failed the reconciler stops the container as often as it takes.
    private func failCrashLoop(
        _ id: WorkspaceID, _ generation: Int, _ container: ContainerFacts?, _ code: ErrorCode, _ message: String
    ) async {
        await lanes.run(id) {
            do {
                let failure = WorkspaceFailure(
                    code: code, message: message,
                    next: "Read the last log lines, mend its image, command or settings, then: berth workspaces restart \(id).",
                    exitCode: container.flatMap { $0.state == .running ? nil : $0.exitCode }, logTail: await logTail(of: container, id),
                    at: clock.now())
                let moved = try await records.apply(
                    .crashLooped(code: code, message: message), failure: failure, to: id, generation: generation)
                guard moved != nil else { return }
                log.error("restart budget spent", ("workspace", id.text), ("code", code.rawValue), ("reason", message))
                try await stopContainers(of: id)
            } catch {
                log.warning("crash loop not ended yet", ("workspace", id.text), ("error", String(describing: error)))
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

// MARK: - Stopping and removing what should not run

extension WorkspaceProvisioner {
    public func teardown(_ id: WorkspaceID) async -> ErrorCode? {
        await lanes.run(id) {
            do { return try await removals.run { await cleanUp(id) } } catch { return .shuttingDown }
        }
    }

    /// Stops every container of `id` and keeps it.
    func stopContainers(of id: WorkspaceID) async throws {
        for container in try await backend.containers(of: id) where container.state.isUp {
            try await unbroken { [backend, settings] in try await backend.stop(container.id, grace: settings.stopGrace) }
        }
    }

    private func stopResting(_ id: WorkspaceID, _ reason: String) async {
        await lanes.run(id) {
            do {
                guard let row = try await records.workspace(id), row.shouldRest else { return }
                log.info("stopping", ("workspace", id.text), ("reason", reason))
                try await stopContainers(of: id)
            } catch {
                log.warning("not stopped yet", ("workspace", id.text), ("error", String(describing: error)))
            }
        }
    }

    private func removeStale(_ id: WorkspaceID, _ stale: [String]) async {
        await lanes.run(id) {
            do {
                guard let row = try await records.workspace(id), row.status != .removed else { return }
                for container in try await backend.containers(of: id)
                where stale.contains(container.id) && container.generation < row.generation && container.id != row.kept?.id {
                    log.info("removing an earlier generation's container", ("workspace", id.text), ("container", container.id))
                    try await backend.removeContainer(container.id)
                }
            } catch {
                log.warning("earlier container not removed yet", ("workspace", id.text), ("error", String(describing: error)))
            }
        }
    }
}

extension Workspace {
    /// Whether no container of it should run.
    var shouldRest: Bool {
        switch status {
        case .paused, .hibernated, .hibernating, .removed: true
        case .failed: condition.cause == .crashLoop
        case .provisioning, .online, .offline, .degraded, .awaitingAgent: false
        }
    }
}
