import Model

/// Brings images to the engine: room on its disk first, the mirror before an image's own registry, and again when a registry is busy.
struct ImageSource: Sendable {
    let engine: any ImageStoring
    let registry: any ManifestLooking
    let settings: ImageSettings
    let pulls: ImagePulls
    let metrics: ImageMetrics
    let clock: any TimeSource
    let random: any RandomSource
    let log: any LogSink

    /// Pulls, and gives the image the reference's own name. All who ask share one pull. Throws `CodedError`.
    func pull(_ reference: ImageReference, report: @escaping @Sendable (PullReport) -> Void = { _ in }) async throws -> ImageFacts {
        try await checkRoom(for: reference)
        try await pulls.pull(reference.description, report: report) { progress in
            let began = clock.now()
            do {
                try await pullPatiently(reference, progress)
                metrics.pulled(.success, took: clock.now() - began)
            } catch {
                metrics.pulled(error is CancellationError ? .cancelled : .failure, took: clock.now() - began)
                throw error
            }
        }
        guard let facts = try await local(reference) else {
            throw Failure(
                .imageNotFound, "the image \(reference) is not there after its pull",
                next: "Somebody may have removed it meanwhile: start the workspace again.", details: ["image": .string("\(reference)")])
        }
        return facts
    }

    /// What the engine has under the reference. A digest cannot be given as a name, so a pinned image from the mirror has only the mirror's.
    func local(_ reference: ImageReference) async throws -> ImageFacts? {
        if let facts = try await engine.image(reference.description) { return facts }
        guard reference.isPinned, let mirror = settings.mirror else { return nil }
        return try await engine.image(reference.at(mirror).description)
    }

    /// The digest that the registry names now, asked at the mirror first.
    func digest(of reference: ImageReference) async throws -> String {
        guard let mirror = settings.mirror else { return try await look(reference) }
        do {
            return try await look(reference.at(mirror))
        } catch let failure as RegistryFailure where failure.code != .rateLimited {
            log.debug("the mirror does not say", ("image", "\(reference)"), ("error", failure.description))
            return try await look(reference)
        }
    }

    /// What a registry calls the image that the engine has under `reference`.
    func version(of facts: ImageFacts, _ reference: ImageReference) -> ImageVersion {
        let mirrored = settings.mirror.flatMap { facts.digest(in: reference.at($0)) }
        return ImageVersion(id: facts.id, digest: facts.digest(in: reference) ?? mirrored)
    }

    private func look(_ reference: ImageReference) async throws -> String {
        do {
            let digest = try await registry.digest(of: reference)
            metrics.looked(nil)
            return digest
        } catch {
            metrics.looked((error as? any CodedError)?.code ?? .internalError)
            throw error
        }
    }

    private func checkRoom(for reference: ImageReference) async throws {
        guard let free = try await engine.freeBytes(), free < settings.leastFreeBytes else { return }
        throw Failure(
            .diskFull,
            "there are only \(free >> 20) MB left on the engine's disk: \(reference) is not pulled with less than \(settings.leastFreeBytes >> 20) MB",
            next: "Free space (`berth images prune --dry-run`, `docker system df`), or lower IMAGE_MIN_FREE_MB.",
            details: ["image": .string("\(reference)"), "free_bytes": .int(free), "least_free_bytes": .int(settings.leastFreeBytes)])
    }
}

// MARK: - One pull, with patience

extension ImageSource {
    private func pullPatiently(_ reference: ImageReference, _ progress: @escaping @Sendable (PullProgress) -> Void) async throws {
        var attempt = 1
        while true {
            do {
                return try await pullSomewhere(reference, progress)
            } catch let failure as RegistryFailure
                where failure.mayPass && attempt < settings.pullTries && failure.retryAfter ?? .zero <= RetryPause.longestWanted
            {
                let pause = RetryPause.pause(after: attempt, retryAfter: failure.retryAfter, dice: random.unit())
                log.warning(
                    "pull is tried again", ("image", "\(reference)"), ("code", failure.code.rawValue), ("in_ms", String(pause.milliseconds))
                )
                let words = "\(failure.message); trying again in \(pause.components.seconds) s"
                progress(PullProgress(status: words, doneBytes: 0, totalBytes: 0))
                try await clock.sleep(for: pause)
                attempt += 1
            }
        }
    }

    /// At the mirror when there is one; where that fails, at the image's own registry.
    private func pullSomewhere(_ reference: ImageReference, _ progress: @escaping @Sendable (PullProgress) -> Void) async throws {
        guard let mirror = settings.mirror else { return try await pullOnce(reference, progress) }
        let mirrored = reference.at(mirror)
        do {
            try await engine.pull(mirrored.description, progress: metered(progress))
        } catch let error as BackendError where error.kind != .unavailable {
            log.info("the mirror does not give it", ("image", "\(reference)"), ("code", error.code.rawValue))
            return try await pullOnce(reference, progress)
        }
        guard !reference.isPinned, let facts = try await engine.image(mirrored.description) else { return }
        try await engine.tag(facts.id, as: reference.description)
    }

    private func pullOnce(_ reference: ImageReference, _ progress: @escaping @Sendable (PullProgress) -> Void) async throws {
        do {
            try await engine.pull(reference.description, progress: metered(progress))
        } catch let error as BackendError {
            throw await explained(error, reference)
        }
    }

    /// The engine says in one breath "does not exist or may require login", and 500 for everything else: the registry is asked itself, and its
    /// answer says what is to be done. Where it says nothing, the engine's word stands.
    private func explained(_ error: BackendError, _ reference: ImageReference) async -> any Error {
        guard [.imageNotFound, .pullDenied, .pullFailed].contains(error.code) else { return error }
        do {
            _ = try await look(reference)
            return error
        } catch let failure as RegistryFailure {
            // The engine got an answer where we got none: it may have another way there.
            let heard = error.code != .pullFailed
            return heard && [.registryUnknown, .registryUnreachable].contains(failure.code) ? error : failure.about(reference)
        } catch {
            return error
        }
    }

    private func metered(_ progress: @escaping @Sendable (PullProgress) -> Void) -> @Sendable (PullProgress) -> Void {
        let counted = ByteCount()
        return { [metrics] now in
            metrics.received(counted.growth(to: now.doneBytes))
            progress(now)
        }
    }
}

extension RandomSource {
    /// From 0 up to, and without, 1.
    func unit() -> Double { Double(bytes(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }) / 4_294_967_296 }
}

extension RegistryFailure {
    /// With the image's name, for people who read no details.
    fileprivate func about(_ reference: ImageReference) -> RegistryFailure {
        RegistryFailure(
            code, "the image \(reference) cannot be pulled: \(message)", next: next, details: details, retryAfter: retryAfter)
    }

    /// Whether the same question may be answered later without anybody doing something.
    var mayPass: Bool { code == .rateLimited || code == .registryError }
}
