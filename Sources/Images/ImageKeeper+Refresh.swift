import Model

/// How one image is refreshed.
struct RefreshAsk: Sendable {
    /// Replace the containers that run another version.
    var recreates = false
    /// What the registry named, when it was asked already.
    var digest: String?
}

extension ImageKeeper {
    /// Brings the image's new version here, lets it prove itself, makes it the one that workspaces run, and replaces those that run another
    /// when that was asked for. What goes wrong is in the outcome, and written down with the image.
    func refresh(_ reference: ImageReference, _ ask: RefreshAsk) async -> ImageOutcome {
        await outcome(of: reference) { try await self.refreshNow(reference, ask, &$0) }
    }

    /// Runs `body` alone among all that is done about the image. What goes wrong ends up in the outcome; what a stop interrupts stays under
    /// way in the records, and the next start goes on with it.
    func outcome(
        of reference: ImageReference, _ body: (inout ImageOutcome) async throws -> Void
    ) async -> ImageOutcome {
        memory.withLock { $0.underWay[reference.description, default: 0] += 1 }
        defer { memory.withLock { $0.leave(reference.description) } }
        return await turns.run(reference.description) {
            var outcome = ImageOutcome(reference: reference.description)
            do {
                try await body(&outcome)
            } catch  where error is CancellationError || (error as? any CodedError)?.code == .shuttingDown {
                outcome.failure = Failure(.shuttingDown, "the daemon is stopping; its next start goes on with this")
            } catch {
                outcome.failure = await fail(reference, error)
            }
            return outcome
        }
    }

    private func refreshNow(_ reference: ImageReference, _ ask: RefreshAsk, _ outcome: inout ImageOutcome) async throws {
        guard !reference.isPinned else {
            outcome.note = "it is pinned to its digest, and cannot move"
            return
        }
        var image = try await tracked(reference)
        let target = try await target(reference, ask, &image)
        outcome.version = target
        if target.id != image.current?.id {
            guard try await proveAndAccept(target, &image, reference, ask, &outcome) else { return }
        } else {
            image.current = target
            image.observedDigest = target.digest ?? image.observedDigest
            try await records.save(image, retired: [], audit: [])
        }
        if ask.recreates { try await roll(to: target, &image, reference, &outcome) } else { try await finish(&image, .done, nil) }
    }

    /// The version to go to, on the engine.
    private func target(_ reference: ImageReference, _ ask: RefreshAsk, _ image: inout TrackedImage) async throws -> ImageVersion {
        let here = try await source.local(reference)
        // Built here: what the tag means on this engine is the newest there is.
        if let here, here.digests.isEmpty {
            try await begin(&image, here.id, ask, .proving)
            return ImageVersion(id: here.id, digest: nil)
        }
        let digest = if let known = ask.digest { known } else { try await source.digest(of: reference) }
        (image.checkedAt, image.checkFailure) = (clock.now(), nil)
        // A daemon that ended between moving the tag and writing it down, or somebody who pulled by hand.
        if let here, here.id != image.current?.id {
            let older = image.succeed(by: source.version(of: here, reference))
            if let older { try await records.save(image, retired: [retire(older, reference)], audit: []) }
        }
        if image.current?.digest == digest, let current = image.current { return current }
        try await begin(&image, digest, ask, .pulling)
        let facts = try await source.pull(reference.pinned(to: digest))
        return ImageVersion(id: facts.id, digest: digest)
    }

    private func begin(
        _ image: inout TrackedImage, _ target: String, _ ask: RefreshAsk, _ state: ImageRollout.State
    ) async throws {
        image.rollout = ImageRollout(state: state, target: target, recreates: ask.recreates, isRollback: false, startedAt: clock.now())
        try await records.save(image, retired: [], audit: [])
    }

    /// Ends what is under way as failed: what was replaced until then stays. A rollout whose engine or store went away is not over: it goes on
    /// when they are back.
    private func fail(_ reference: ImageReference, _ error: any Error) async -> Failure {
        let coded = error as? any CodedError
        let failure = Failure(
            coded?.code ?? .internalError, coded?.message ?? "the refresh failed", next: coded?.next ?? "See the daemon's log.",
            details: coded?.details ?? [:])
        log.warning("image not refreshed", ("image", "\(reference)"), ("error", String(describing: error)))
        do {
            var image = try await tracked(reference)
            guard let rollout = image.rollout, !rollout.state.isOver else { return failure }
            if rollout.state == .rolling, let coded, coded.isAboutTheHost {
                log.warning("rollout interrupted", ("image", image.reference), ("code", failure.code.rawValue))
                return Failure(failure.code, failure.message, next: "It goes on by itself when that is mended.", details: failure.details)
            }
            let told = ImageFailure(code: failure.code, message: failure.message, at: clock.now())
            try await finish(&image, .failed, told, [audit(.imageRefreshFailed, image, nil, told)])
        } catch {
            log.warning("failed refresh not written down", ("image", "\(reference)"), ("error", String(describing: error)))
        }
        return failure
    }
}

// MARK: - Proof

extension ImageKeeper {
    /// True when the version is the current one from now on.
    private func proveAndAccept(
        _ target: ImageVersion, _ image: inout TrackedImage, _ reference: ImageReference, _ ask: RefreshAsk, _ outcome: inout ImageOutcome
    ) async throws -> Bool {
        image.rollout?.state = .proving
        try await records.save(image, retired: [], audit: [])
        let catalog = try await catalog()
        if let template = catalog.canary(of: reference.description) {
            do {
                try await trying.prove(image: target.id, template: template, limit: settings.proofLimit)
            } catch let error as any CodedError where error.code == .imageUnproven {
                try await finish(&image, .failed, ImageFailure(code: error.code, message: error.message, at: clock.now()))
                outcome.failure = Failure(error.code, error.message, next: error.next)
                return false
            } catch let error as any CodedError where !error.isAboutTheHost && error.code != .shuttingDown {
                let failure = ImageFailure(code: error.code, message: "the canary: \(error.message)", at: clock.now())
                outcome.failure = try await refuse(target, &image, failure)
                return false
            }
        } else if ask.recreates, let first = try await settledPlan(target, reference).replaced.first {
            guard try await proveOnFirst(first, target, &image, &outcome) else { return false }
        }
        try await accept(target, &image, reference)
        return true
    }

    /// No template can start without somebody's secrets, so the first workspace shows whether the version works.
    private func proveOnFirst(
        _ row: Workspace, _ target: ImageVersion, _ image: inout TrackedImage, _ outcome: inout ImageOutcome
    ) async throws -> Bool {
        switch try await replace(row, target) {
        case .replaced:
            outcome.recreated.append(row.id.containerName)
            return true
        case .putBack(let failure):
            outcome.failure = try await refuse(target, &image, failure)
            return false
        case .skipped(let reason):
            outcome.skipped.append(RefreshSkip(name: row.name, reason: reason))
            let failure = ImageFailure(
                code: .imageUnproven, message: "\(row.name) could not show whether it works: \(reason)", at: clock.now())
            try await finish(&image, .failed, failure)
            outcome.failure = Failure(failure.code, failure.message, next: "Try again when it is idle and online.")
            return false
        }
    }

    /// Its name first, then the record: a crash in between is seen by the next refresh.
    private func accept(_ target: ImageVersion, _ image: inout TrackedImage, _ reference: ImageReference) async throws {
        let former = image.current
        if let former { try await keep(former) }
        try await engine.tag(target.id, as: reference.description)
        let older = image.succeed(by: target)
        image.observedDigest = target.digest ?? image.observedDigest
        // From here on only workspaces are left, also for who comes after a crash.
        if image.rollout?.recreates == true { image.rollout?.state = .rolling }
        let retired = older.map { [retire($0, reference)] } ?? []
        try await records.save(image, retired: retired, audit: [audit(.imageAccepted, image, target)])
        try await records.forgetRetired([target.id], audit: [])
        metrics.accepted()
        log.info("new version accepted", ("image", "\(reference)"), ("digest", Self.short(target.name)))
    }

    /// The version is left alone until it is due again, and its name goes back to the one before.
    func refuse(_ target: ImageVersion, _ image: inout TrackedImage, _ failure: ImageFailure) async throws -> Failure {
        let reference = ImageReference(image.reference)
        // An image that was built here took the name before it was tried.
        if let current = image.current, current.id != target.id { try await restoreName(of: current, reference) }
        let tries = image.refused?.digest == target.name ? image.refused?.tries ?? 0 : 0
        image.refused = RefusedImage(digest: target.name, failure: failure, tries: tries + 1)
        image.rollout?.state = .refused
        image.rollout?.endedAt = clock.now()
        image.rollout?.failure = failure
        try await records.save(image, retired: [retire(target, reference)], audit: [audit(.imageRefused, image, target, failure)])
        metrics.refused()
        log.error("new version refused", ("image", image.reference), ("digest", Self.short(target.name)), ("reason", failure.message))
        return Failure(
            failure.code, failure.message,
            next: "Workspaces run the version before. Mend the image and publish it again; `berth images list` shows how it stands.")
    }

    private func restoreName(of version: ImageVersion, _ reference: ImageReference) async throws {
        guard try await engine.image(reference.description)?.id != version.id, try await engine.image(version.id) != nil else { return }
        try await engine.tag(version.id, as: reference.description)
    }

    /// A name of our own, so that `docker image prune` does not take the way back.
    func keep(_ version: ImageVersion) async throws {
        guard try await engine.image(version.id) != nil else { return }
        try await engine.tag(version.id, as: version.keptName)
    }

    func retire(_ version: ImageVersion, _ reference: ImageReference) -> RetiredImage {
        RetiredImage(id: version.id, reference: reference.description, digest: version.digest, since: clock.now())
    }

    func audit(
        _ kind: AuditEvent.Kind, _ image: TrackedImage, _ version: ImageVersion?, _ failure: ImageFailure? = nil
    ) -> AuditEvent {
        var payload: JSONObject = ["image": .string(image.reference)]
        if let version {
            payload["image_id"] = .string(version.id)
            payload["digest"] = .optional(version.digest)
        }
        if let failure {
            payload["code"] = .string(failure.code.rawValue)
            payload["message"] = .string(failure.message)
        }
        return AuditEvent(kind: kind, workspaceID: nil, at: clock.now(), payload: payload)
    }
}

extension ImageVersion {
    /// What it is called where a digest is wanted: the registry's word, else the engine's.
    var name: String { digest ?? id }

    static let keptRepository = "berth/kept"

    var keptName: String { "\(Self.keptRepository):\(id.drop { $0 != ":" }.dropFirst().prefix(12))" }
}
