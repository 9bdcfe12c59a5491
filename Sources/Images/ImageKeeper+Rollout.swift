import Model

extension ImageKeeper {
    func plan(_ target: ImageVersion, _ catalog: ImageCatalog, _ reference: ImageReference) async throws -> RolloutPlan {
        RolloutPlan(
            rows: catalog.workspaces[reference.description] ?? [], containers: try await engine.containers(), target: target)
    }

    /// The plan when nothing is on its way any more, or has had the time for it: above all what a crash of ours left in the middle.
    func settledPlan(_ target: ImageVersion, _ reference: ImageReference) async throws -> RolloutPlan {
        let end = clock.now() + settings.proofLimit
        while true {
            let plan = try await plan(target, try await catalog(), reference)
            if !plan.isUnsettled || clock.now() >= end { return plan }
            try await clock.sleep(for: .seconds(1))
        }
    }

    /// Replaces, a few at a time, what runs another version. One that does not come back on the new one ends it, and the version is refused.
    func roll(to target: ImageVersion, _ image: inout TrackedImage, _ reference: ImageReference, _ outcome: inout ImageOutcome) async throws
    {
        let plan = try await settledPlan(target, reference)
        outcome.skipped += plan.skipped
        if image.rollout?.state.isOver ?? true {
            image.rollout = ImageRollout(state: .rolling, target: target.name, recreates: true, isRollback: false, startedAt: clock.now())
        }
        image.rollout?.state = .rolling
        image.rollout?.done = plan.onTarget
        image.rollout?.total = plan.onTarget + plan.replaced.count
        try await records.save(image, retired: [], audit: [])
        for start in stride(from: 0, to: plan.replaced.count, by: max(1, settings.width)) {
            let batch = Array(plan.replaced[start..<min(start + max(1, settings.width), plan.replaced.count)])
            if let failure = try await replace(batch, target, &image, &outcome) {
                return try await stop(failure, target, &image, reference, &outcome)
            }
        }
        for skip in outcome.skipped {
            log.info("not replaced", ("workspace", skip.name), ("image", image.reference), ("reason", skip.reason))
        }
        try await finish(&image, .done, nil, outcome.recreated.isEmpty ? [] : [audit(.imageRolledOut, image, target)])
    }

    /// Returns why one of them was put back; the others of its batch were finished all the same.
    private func replace(
        _ batch: [Workspace], _ target: ImageVersion, _ image: inout TrackedImage, _ outcome: inout ImageOutcome
    ) async throws -> ImageFailure? {
        let ended = try await withThrowingTaskGroup(of: (Workspace, ReplaceOutcome).self) { group in
            for row in batch { group.addTask { (row, try await self.replace(row, target)) } }
            return try await group.reduce(into: [(Workspace, ReplaceOutcome)]()) { $0.append($1) }
        }
        var failure: ImageFailure?
        for (row, result) in ended {
            switch result {
            case .replaced:
                outcome.recreated.append(row.id.containerName)
                image.rollout?.done += 1
            case .skipped(let reason): outcome.skipped.append(RefreshSkip(name: row.name, reason: reason))
            case .putBack(let reason):
                outcome.skipped.append(RefreshSkip(name: row.name, reason: "put back: \(reason.message)"))
                failure = ImageFailure(code: reason.code, message: "\(row.name): \(reason.message)", at: reason.at)
            }
        }
        try await records.save(image, retired: [], audit: [])
        return failure
    }

    /// The version worked elsewhere and not here. Nobody else gets it; who has it keeps it until somebody rolls back.
    private func stop(
        _ failure: ImageFailure, _ target: ImageVersion, _ image: inout TrackedImage, _ reference: ImageReference,
        _ outcome: inout ImageOutcome
    ) async throws {
        guard image.rollout?.isRollback != true, let former = image.previous, try await engine.image(former.id) != nil else {
            try await finish(&image, .failed, failure)
            outcome.failure = Failure(failure.code, failure.message, next: "Mend that workspace, then refresh again.")
            return
        }
        image.current = former
        image.previous = nil
        outcome.failure = try await refuse(target, &image, failure)
    }

    /// Waits for an agent that is at work, then replaces its container.
    func replace(_ row: Workspace, _ target: ImageVersion) async throws -> ReplaceOutcome {
        let end = clock.now() + settings.busyLimit
        while true {
            if try await trying.isIdle(row.id) {
                return try await replaceNow(row, target)
            }
            guard clock.now() < end else { return .skipped("it was at work for \(settings.busyLimit.components.seconds) s") }
            try await clock.sleep(for: .seconds(1))
        }
    }

    private func replaceNow(_ row: Workspace, _ target: ImageVersion) async throws -> ReplaceOutcome {
        do {
            return try await trying.replaceContainer(of: row.id, with: target, limit: settings.proofLimit)
        } catch is CancellationError where !Task.isCancelled {
            return .skipped("somebody changed it meanwhile")
        }
    }

    func finish(
        _ image: inout TrackedImage, _ state: ImageRollout.State, _ failure: ImageFailure?, _ audit: [AuditEvent] = []
    ) async throws {
        image.rollout?.state = state
        image.rollout?.endedAt = clock.now()
        image.rollout?.failure = failure
        // It has proved itself everywhere: not before, so that one that fails on a workspace again and again is tried later and later.
        if state == .done, let refused = image.refused, refused.digest == image.current?.name { image.refused = nil }
        try await records.save(image, retired: [], audit: audit)
    }
}

// MARK: - The way back

extension ImageKeeper {
    /// Makes the previous version the current one again, and replaces what runs another.
    func rollBack(_ reference: ImageReference) async -> ImageOutcome {
        await outcome(of: reference) { outcome in
            var image = try await self.tracked(reference)
            let target = try await self.previous(of: image, reference)
            outcome.version = target
            try await self.swap(&image, target, reference)
            try await self.roll(to: target, &image, reference, &outcome)
        }
    }

    private func previous(of image: TrackedImage, _ reference: ImageReference) async throws -> ImageVersion {
        let none = Failure(
            .noPreviousImage, "there is no earlier version of \(reference) to go back to",
            next: "Publish the version you want, then: berth images refresh.", details: ["image": .string("\(reference)")])
        guard let previous = image.previous else { throw none }
        if try await engine.image(previous.id) != nil { return previous }
        guard let digest = previous.digest else { throw none }
        let facts = try await source.pull(reference.pinned(to: digest))
        return ImageVersion(id: facts.id, digest: digest)
    }

    private func swap(_ image: inout TrackedImage, _ target: ImageVersion, _ reference: ImageReference) async throws {
        let former = image.current
        if let former { try await keep(former) }
        try await engine.tag(target.id, as: reference.description)
        image.current = target
        image.previous = former
        if let former {
            let reason = ImageFailure(code: .rolledBack, message: "somebody rolled back from it", at: clock.now())
            image.refused = RefusedImage(digest: former.name, failure: reason, tries: 1)
        }
        image.rollout = ImageRollout(state: .rolling, target: target.name, recreates: true, isRollback: true, startedAt: clock.now())
        try await records.save(image, retired: [], audit: [audit(.imageRolledBack, image, target)])
        metrics.rolledBack()
        log.warning("rolled back", ("image", "\(reference)"), ("to", Self.short(target.name)))
    }
}

// MARK: - After a restart

extension ImageKeeper {
    /// Whether it was left in the middle, by an earlier process or by an engine that went away, and nobody is at it.
    func isLeft(_ image: TrackedImage) -> Bool {
        guard let rollout = image.rollout, !rollout.state.isOver else { return false }
        return memory.withLock { $0.underWay[image.reference] == nil }
    }

    func finish(_ image: TrackedImage) async {
        guard let rollout = image.rollout else { return }
        let reference = ImageReference(image.reference)
        log.info("going on with a refresh", ("image", image.reference), ("state", rollout.state.rawValue))
        guard rollout.state == .rolling, let current = image.current, current.name == rollout.target else {
            _ = await refresh(reference, RefreshAsk(recreates: rollout.recreates))
            return
        }
        // The version is accepted, or the one before is back: only workspaces are left.
        _ = await outcome(of: reference) { outcome in
            var image = try await self.tracked(reference)
            guard image.rollout?.state.isOver == false else { return }
            try await self.roll(to: current, &image, reference, &outcome)
        }
    }
}
