public import Model

/// Trying images: on a throwaway, and on a workspace whose former container is kept until the new one has proved itself.
extension WorkspaceProvisioner: ImageTrying {
    public func isIdle(_ id: WorkspaceID) async throws -> Bool {
        guard !conversations.workspaces.contains(id) else { return false }
        return try await records.workspace(id)?.activeTasks == 0
    }

    public func replaceContainer(of id: WorkspaceID, with image: ImageVersion, limit: Duration) async throws -> ReplaceOutcome {
        try await untilClosed {
            try await self.jobs.run(id) {
                await self.lanes.run(id) { await self.replace(id, image, limit) }
            }.get()
        }
    }

    /// A stop of the daemon is told from a cancellation of this one thing.
    private func untilClosed<Result: Sendable>(_ body: () async throws -> Result) async throws -> Result {
        do {
            return try await body()
        } catch is CancellationError where jobs.isClosed {
            throw Failure(.shuttingDown, "the daemon is stopping")
        }
    }

    private func replace(_ id: WorkspaceID, _ image: ImageVersion, _ limit: Duration) async -> Result<ReplaceOutcome, any Error> {
        let operation = await open(.refresh, on: id, image.digest ?? image.id)
        do {
            let outcome = try await provisions.run(for: id) { [self] in
                await mark(operation, .running)
                return try await tryOn(id, image, limit)
            }
            switch outcome {
            case .replaced: await close(operation, .succeeded)
            case .putBack(let failure): await close(operation, .failed(failure.code, failure.message))
            case .skipped: await close(operation, .cancelled)
            }
            return .success(outcome)
        } catch {
            await close(operation, error is CancellationError ? .cancelled : .interrupted)
            return .failure(error)
        }
    }

    private func tryOn(_ id: WorkspaceID, _ image: ImageVersion, _ limit: Duration) async throws -> ReplaceOutcome {
        guard let row = try await records.workspace(id), row.status == .online || row.status == .degraded, !row.external else {
            return .skipped("it does not run now")
        }
        guard let former = try await backend.containers(of: id).first(where: { $0.isMade(for: row) }) else {
            return .skipped("its container is not there")
        }
        guard former.imageID != image.id else { return .skipped("it is on this version already") }
        guard try await isIdle(id) else { return .skipped("it is at work") }
        let token = tokens.issue()
        // A template that is gone or wants more now is not the image's fault, and is known before anything is touched.
        do {
            _ = try await recipe(for: ProvisionAttempt(workspace: row, token: token))
        } catch let error as Failure {
            return .skipped("it cannot be made now: \(error.message)")
        }
        guard let begun = try await records.beginTrial(of: id, token: token.digest, keeping: former.id) else {
            return .skipped("it was changed meanwhile")
        }
        var attempt = ProvisionAttempt(workspace: begun, token: token)
        attempt.version = image
        return try await watch(attempt, limit)
    }

    private func watch(_ attempt: ProvisionAttempt, _ limit: Duration) async throws -> ReplaceOutcome {
        do {
            try await provision(attempt)
            try await awaitAgent(of: attempt.workspace, limit)
        } catch let cancelled as CancellationError {
            throw cancelled  // Whoever cancelled it has decided what becomes of it; else the reconciler settles the trial.
        } catch {
            let cause: any Error = (error as? ProvisionInterrupted)?.cause ?? error
            // An engine or a store that went away says nothing about the image, and can do nothing about the trial: the reconciler settles it.
            if let coded = cause as? any CodedError, coded.isAboutTheHost { throw cause }
            let failure = await trialFailure(of: attempt.workspace, cause)
            log.warning("put back", ("workspace", attempt.id.text), ("code", failure.code.rawValue), ("reason", failure.message))
            try await unbroken { try await self.putBack(attempt.id) }
            return .putBack(ImageFailure(code: failure.code, message: failure.inOneLine, at: failure.at))
        }
        try await unbroken { try await self.accept(attempt.id) }
        return .replaced
    }

    /// Returns when the agent of this generation is there and answers with its card.
    private func awaitAgent(of row: Workspace, _ limit: Duration) async throws {
        let end = clock.now() + limit
        while clock.now() < end {
            try Task.checkCancellation()
            if try await hasCome(row) { return }
            try await clock.sleep(for: .milliseconds(250))
        }
        throw Failure(.registerTimeout, "its agent did not come within \(limit.components.seconds) s")
    }

    /// Throws when it cannot come any more. An engine or store that cannot be asked now proves nothing.
    private func hasCome(_ row: Workspace) async throws -> Bool {
        let now: Workspace?
        do { now = try await records.workspace(row.id) } catch { return false }
        guard let now, now.generation == row.generation else { throw CancellationError() }
        switch now.status {
        case .provisioning: break
        case .online, .degraded: return try await answers(now)
        case .failed:
            throw RowFailed(failure: now.failure ?? WorkspaceFailure(code: .startFailed, message: "it failed", at: clock.now()))
        case .offline, .paused, .hibernated, .hibernating, .awaitingAgent, .removed: throw CancellationError()
        }
        // An engine that does not answer now is asked again.
        if let container = now.containerID, let facts = try? await backend.container(container), let exit = ContainerExit(facts) {
            throw exit
        }
        return false
    }

    private func answers(_ row: Workspace) async throws -> Bool {
        guard let url = row.url else { return false }
        do {
            _ = try await cards.card(at: url)
            return true
        } catch let error as any CodedError {
            log.debug("no card yet", ("workspace", row.id.text), ("error", String(describing: error)))
            return false
        }
    }
}

/// What its row says of a trial that failed by itself.
private struct RowFailed: CodedError {
    let failure: WorkspaceFailure

    var code: ErrorCode { failure.code }
    var message: String { failure.message }
}

// MARK: - The two ends of a trial

extension WorkspaceProvisioner {
    /// The new container stays, and the kept one goes.
    private func accept(_ id: WorkspaceID) async throws {
        guard let row = try await records.workspace(id), let kept = row.kept else { return }
        try await backend.removeContainer(kept.id)
        try await records.endTrial(of: id)
    }

    /// The kept container takes its place again. Every step can be repeated: a crash in between is settled by the reconciler.
    private func putBack(_ id: WorkspaceID) async throws {
        guard let row = try await records.workspace(id), let kept = row.kept, row.status != .removed else { return }
        let own = try await backend.containers(of: id)
        guard let former = own.first(where: { $0.id == kept.id }) else {
            // Somebody removed it: there is nothing to go back to, and the new one is all there is.
            return try await records.endTrial(of: id)
        }
        for other in own where other.id != kept.id { try await backend.removeContainer(other.id) }
        try await backend.rename(kept.id, to: id.containerName)
        // One that a crash left running knows only the token that the trial has revoked: an agent reads its token when it starts.
        if former.state.isUp { try await backend.stop(kept.id, grace: settings.stopGrace) }
        let token = tokens.issue()
        let secrets = try await records.secrets(of: id)
        let files = ConfigFiles.all(row, template: [], token: token.plaintext, secretFiles: secrets.files)
        try await backend.copy(ConfigFiles.credentials(in: files), into: kept.id, at: "/configs")
        let version = try await version(of: former)
        guard let begun = try await records.returnToKept(kept, of: id, token: token.digest, version: version),
            begun.status == .provisioning
        else { return }
        do {
            try await start(kept.id, begun)
        } catch {
            log.warning("put back, and not started yet", ("workspace", id.text), ("error", String(describing: error)))
        }
    }

    /// Behind the trial, which leaves its lane when it notices. What fails here is settled by the reconciler.
    func endCancelledTrial(_ id: WorkspaceID) async {
        await lanes.run(id) {
            do {
                try await unbroken { try await self.putBack(id) }
            } catch {
                log.warning("not put back yet", ("workspace", id.text), ("error", String(describing: error)))
            }
        }
    }

    func settleTrial(_ id: WorkspaceID, _ reason: String) {
        recover(id, reason) { running in
            await running()
            guard let row = try await self.records.workspace(id), row.kept != nil else { return .succeeded }
            let hasCome = row.status == .online || row.status == .degraded
            try await unbroken { if hasCome { try await self.accept(id) } else { try await self.putBack(id) } }
            return .succeeded
        }
    }

    /// What the container was made from, by both its names.
    func version(of container: ContainerFacts) async throws -> ImageVersion? {
        guard !container.imageID.isEmpty else { return nil }
        let image = try await backend.image(container.imageID)
        return ImageVersion(id: container.imageID, digest: image?.digests.first.flatMap { ImageReference($0).tag })
    }
}

extension WorkspaceProvisioner {
    private func trialFailure(of row: Workspace, _ error: any Error) async -> WorkspaceFailure {
        if let failed = error as? RowFailed { return failed.failure }
        return await failure(of: row, error)
    }
}

extension WorkspaceFailure {
    /// With the last line of its log, which is gone when somebody reads this.
    fileprivate var inOneLine: String {
        guard let line = logTail?.split(whereSeparator: \.isNewline).last(where: { !$0.allSatisfy(\.isWhitespace) }) else { return message }
        return "\(message); its last line: \(line.prefix(300))"
    }
}

// MARK: - Canaries

extension WorkspaceProvisioner {
    public func prove(image: String, template: Template, limit: Duration) async throws {
        let id = WorkspaceID(random: random)
        try await untilClosed {
            try await self.jobs.run(id) { () -> Result<Void, any Error> in
                let outcome: Result<Void, any Error>
                do {
                    outcome = .success(try await self.runCanary(id, image, template, limit))
                } catch {
                    outcome = .failure(error)
                }
                await unbroken { await self.removeCanary(id) }
                return outcome
            }.get()
        }
    }

    private func runCanary(_ id: WorkspaceID, _ image: String, _ template: Template, _ limit: Duration) async throws {
        var request = CreateWorkspace(name: "canary of \(template.id)")
        request.template = template.id
        request.image = image
        let attempt: ProvisionAttempt
        do {
            var draft = try WorkspaceDraft(request, id: id, catalog: await templates.catalog(), settings: settings, now: clock.now())
            draft.workspace.isCanary = true
            draft.workspace.workspaceDirectory = nil
            var begun = try await begin(draft)
            begun.version = ImageVersion(id: image, digest: nil)
            _ = try await recipe(for: begun)
            attempt = begun
        } catch let error as Failure {
            throw Failure(
                .imageUnproven, "no canary can be made of the template \(template.id): \(error.message)",
                next: error.next ?? "Mend the template, then refresh again.")
        }
        do {
            // The time it may take begins when it has its slot.
            try await provisions.run(for: id) { [self] in
                log.info("canary started", ("workspace", id.text), ("image", image))
                try await provision(attempt)
                try await awaitAgent(of: attempt.workspace, limit)
            }
        } catch let cancelled as CancellationError {
            throw cancelled
        } catch {
            let cause: any Error = (error as? ProvisionInterrupted)?.cause ?? error
            if let coded = cause as? any CodedError, coded.isAboutTheHost { throw cause }
            // Its log goes with it.
            let failure = await trialFailure(of: attempt.workspace, cause)
            throw Failure(failure.code, failure.inOneLine, next: failure.next)
        }
    }

    func removeCanary(_ id: WorkspaceID) async {
        do {
            guard let row = try await records.workspace(id), row.isCanary else { return }
            _ = try await delete(id, confirmed: true)
        } catch {
            log.warning("canary not removed yet", ("workspace", id.text), ("error", String(describing: error)))
        }
    }
}
