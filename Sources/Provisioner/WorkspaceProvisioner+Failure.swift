import Model

/// A new container that ended before its agent came.
struct ContainerExit: Error, Sendable {
    let facts: ContainerFacts
    let exitCode: Int?

    /// nil while the container is still on its first run. A restart by the engine is the same end, seen later.
    init?(_ facts: ContainerFacts) {
        switch facts.state {
        case .exited, .dead, .restarting: self.init(facts, exitCode: facts.exitCode)
        case .running where facts.restartCount > 0: self.init(facts, exitCode: nil)
        case .created, .running, .paused, .removing, .unknown: return nil
        }
    }

    init(_ facts: ContainerFacts, exitCode: Int?) {
        self.facts = facts
        self.exitCode = exitCode
    }
}

extension WorkspaceProvisioner {
    static let nextAfterExit = "Read the last log lines of the workspace, mend its image, command or settings, then create it again."

    /// Ends a provision that threw. A cancelled one is left exactly as it stands: who cancelled it, a delete or a shutdown, has decided
    /// what becomes of it. So is one whose store does not answer: nothing can be recorded, and the recovery loop takes it up again.
    func settle(_ attempt: ProvisionAttempt, _ error: any Error) async -> WorkOutcome {
        if Task.isCancelled || error is CancellationError { return .cancelled }
        if isPassing(error, attempt.workspace) {
            log.warning("provision interrupted", ("workspace", attempt.id.text), ("error", String(describing: error)))
            return .interrupted
        }
        let cause: any Error = (error as? ProvisionInterrupted)?.cause ?? error
        await unbroken { await self.fail(attempt.workspace, because: cause) }
        let coded = cause as? any CodedError
        return .failed(coded?.code ?? (cause is ContainerExit ? .containerExited : .startFailed), coded?.message ?? "\(cause)")
    }

    /// Whether the failure says nothing about the workspace: its store does not answer, or its engine went away in the middle, or before
    /// anything could be done for one that has lived. Then the row stays as it is and is taken up again. An engine that goes away at the
    /// same workspace again and again is told as the failure it is.
    private func isPassing(_ error: any Error, _ workspace: Workspace) -> Bool {
        if let error = error as? StoreError { return error.isPassing }
        let unavailable = error is ProvisionInterrupted || workspace.hasLived && (error as? BackendError)?.kind == .unavailable
        guard unavailable else { return false }
        return interruptions.withLock { interruptions in
            interruptions[workspace.id, default: 0] += 1
            return workspace.hasLived || interruptions[workspace.id, default: 0] <= Self.mostInterruptions
        }
    }

    private static let mostInterruptions = 5

    /// Records why, then removes what was made: a crash between the two is found again by the pending cleanup, set first.
    func fail(_ workspace: Workspace, because error: any Error) async {
        if await recordFailure(of: workspace, because: error) { _ = await cleanUp(workspace.id) }
    }

    /// False when it could not be recorded: then nothing may be removed.
    func recordFailure(of workspace: Workspace, because error: any Error) async -> Bool {
        log.warning("provision failed", ("workspace", workspace.id.text), ("error", String(describing: error)))
        let failure = await failure(of: workspace, error)
        do {
            try await records.setPendingCleanup(true, for: workspace.id)
            _ = try await records.apply(
                .provisionFailed(code: failure.code, message: failure.message), failure: failure, to: workspace.id,
                generation: workspace.generation)
        } catch {
            log.error("failure not recorded", ("workspace", workspace.id.text), ("error", String(describing: error)))
            return false
        }
        return true
    }

    func failure(of workspace: Workspace, _ error: any Error) async -> WorkspaceFailure {
        let container = await lastContainer(of: workspace)
        let tail = await logTail(of: container, workspace.id)
        if let exit = error as? ContainerExit {
            let code = if let known = exit.exitCode { known } else { await firstExitCode(of: exit.facts) }
            return exitFailure(ContainerExit(exit.facts, exitCode: code), tail)
        }
        let coded = error as? any CodedError
        return WorkspaceFailure(
            code: coded?.code ?? .startFailed, message: coded?.message ?? "workspace start failed", next: coded?.next,
            exitCode: container.flatMap { $0.exitCode == 0 ? nil : $0.exitCode }, logTail: tail, at: clock.now())
    }

    private func exitFailure(_ exit: ContainerExit, _ tail: String?) -> WorkspaceFailure {
        let code: ErrorCode = exit.facts.outOfMemory ? .outOfMemory : .containerExited
        let how = exit.facts.outOfMemory ? "ran out of memory" : exit.exitCode.map { "ended with exit code \($0)" } ?? "ended"
        return WorkspaceFailure(
            code: code, message: "the container \(how) before its agent registered", next: Self.nextAfterExit, exitCode: exit.exitCode,
            logTail: tail, at: clock.now())
    }

    /// A container that the engine has started again no longer shows how it ended; the engine's events still do. nil when they do not say
    /// within a few seconds.
    private func firstExitCode(of container: ContainerFacts) async -> Int? {
        let answer = await waiting(atMost: .seconds(3), on: clock) { [backend] () -> Int? in
            do {
                for try await event in try await backend.events(since: container.createdAt) {
                    if event.containerID == container.id, event.action == .die { return event.exitCode }
                }
            } catch {
                return nil  // The failure is told without its code.
            }
            return nil
        }
        return answer ?? nil
    }

    private func lastContainer(of workspace: Workspace) async -> ContainerFacts? {
        do {
            let all = try await backend.containers(of: workspace.id)
            return all.first { $0.labels[WorkspaceLabels.generation] == String(workspace.generation) } ?? all.first
        } catch {
            return nil  // The failure is recorded without what an unreachable engine cannot tell.
        }
    }

    /// Removes container and volumes and clears the pending cleanup. Returns why it could not; then the cleanup stays pending.
    func cleanUp(_ id: WorkspaceID) async -> ErrorCode? {
        do {
            guard let workspace = try await records.workspace(id), workspace.mayBeCleanedUp else { return nil }
            if !workspace.external {
                guard try await isCurrent(workspace) else { return nil }
                try await removeContainers(of: id)
                if !workspace.keepsData { try await removeVolumes(of: id) }
            }
            try await records.setPendingCleanup(false, for: id)
            return nil
        } catch {
            log.warning("cleanup failed, it will be tried again", ("workspace", id.text), ("error", String(describing: error)))
            return (error as? any CodedError)?.code ?? .internalError
        }
    }

    /// A failed row that knows nothing of the newest container stands in an old copy of the database: whatever that container worked on since
    /// is not the row's to remove. The cleanup stays pending until somebody restarts or deletes the workspace, or brings the right database.
    private func isCurrent(_ workspace: Workspace) async throws -> Bool {
        guard workspace.status != .removed else { return true }
        guard let newer = try await backend.containers(of: workspace.id).first(where: { $0.generation > workspace.generation }) else {
            return true
        }
        log.error(
            "not cleaned up: the container is newer than the row, so the database may be an old copy", ("workspace", workspace.id.text),
            ("container", newer.id), ("generation", String(newer.generation)))
        return false
    }

    func removeContainers(of id: WorkspaceID) async throws {
        for container in try await backend.containers(of: id) { try await backend.removeContainer(container.id) }
    }

    private func removeVolumes(of id: WorkspaceID) async throws {
        for volume in try await backend.volumes(of: id) { try await backend.removeVolume(volume) }
    }
}

extension Workspace {
    /// Nothing that runs, or that may still recover, is ever removed.
    fileprivate var mayBeCleanedUp: Bool { status == .removed || condition == WorkspaceCondition(.failed, .provision) }

    /// A failed workspace whose agent was once there may hold somebody's work: its volumes go only when it is deleted.
    fileprivate var keepsData: Bool { status == .failed && hasLived }
}

extension StoreError {
    /// Whether the same question may be answered later. A secret that cannot be opened, for one, stays closed.
    fileprivate var isPassing: Bool {
        [.platformUnavailable, .databaseLocked, .databaseUnreachable, .databaseLost, .diskFull].contains(code)
    }
}
