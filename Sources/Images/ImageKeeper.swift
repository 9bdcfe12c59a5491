public import Model
import Synchronization

/// Looks after images: brings new versions in when an admin asks or a digest moves, lets each prove itself before workspaces get it, leads back
/// when one does not, and removes what nothing needs any more. The story: `docs/flows/images.md`.
///
/// What is under way is written down before it is done, so that the next start finishes it.
public final class ImageKeeper: ImageKeeping {
    struct Memory {
        /// When each image is asked for again.
        var due: [String: Timestamp] = [:]
        var checking: Set<String> = []
        var lastTick: Timestamp?
        var lastError: ErrorCode?
        /// Since when no template, override or workspace has named a reference, as far as this process has seen.
        var unnamedSince: [String: Timestamp] = [:]
        /// How many refreshes, rollbacks and resumptions of each image run or wait for their turn.
        var underWay: [String: Int] = [:]

        mutating func leave(_ reference: String) {
            let left = (underWay[reference] ?? 1) - 1
            underWay[reference] = left > 0 ? left : nil
        }
    }

    let source: ImageSource
    let engine: any ImageStoring & ContainerReading
    let records: any ImageRecording & WorkspaceReading
    let templates: any TemplateSource
    let trying: any ImageTrying
    let settings: ImageSettings
    let metrics: ImageMetrics
    let clock: any TimeSource
    let random: any RandomSource
    let log: any LogSink
    /// One refresh of an image at a time.
    let turns = Lanes<String>()
    let memory = Mutex(Memory())

    public init(
        supply: ImageSupply, engine: any ImageStoring & ContainerReading, records: any ImageRecording & WorkspaceReading,
        templates: any TemplateSource, trying: any ImageTrying, random: any RandomSource
    ) {
        source = supply.source
        self.engine = engine
        self.records = records
        self.templates = templates
        self.trying = trying
        settings = supply.source.settings
        metrics = supply.source.metrics
        clock = supply.clock
        self.random = random
        log = supply.log
    }

    public var lastTick: Timestamp? { memory.withLock { $0.lastTick } }
    public var counts: ImageCounts { metrics.snapshot }
    public var lastError: ErrorCode? { memory.withLock { $0.lastError } }

    func catalog() async throws -> ImageCatalog {
        ImageCatalog(templates: await templates.catalog(), rows: try await records.liveWorkspaces(), overrides: settings.overrides)
    }

    func tracked(_ reference: ImageReference) async throws -> TrackedImage {
        try await records.trackedImage(reference.description) ?? TrackedImage(reference: reference.description)
    }
}

// MARK: - The loop

extension ImageKeeper {
    /// Finishes what was left in the middle, checks digests, notes what is here and keeps house, until the task is cancelled.
    public func run() async {
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                await tick { check in group.addTask { await check() } }
                guard (try? await clock.sleep(for: min(Self.pace, settings.checkInterval))) != nil else { break }
            }
            group.cancelAll()
        }
    }

    private static let pace: Duration = .seconds(30)

    /// One round. `spawn` runs a check beside all others: a registry that is down holds up nobody.
    func tick(_ spawn: (@escaping @Sendable () async -> Void) -> Void) async {
        do {
            let catalog = try await catalog()
            let tracked = Dictionary(try await records.trackedImages().map { ($0.reference, $0) }) { $1 }
            for image in tracked.values where isLeft(image) { spawn { await self.finish(image) } }
            for reference in catalog.references { try await noteIfNew(ImageReference(reference), tracked[reference]) }
            if settings.watches {
                for reference in catalog.references where isDue(reference, tracked[reference]) {
                    spawn { await self.check(ImageReference(reference)) }
                }
            }
            let named = Set(catalog.references)
            for image in tracked.values { try await forgetIfUnnamed(image, named) }
            _ = try await prune(dryRun: false)
            let now = clock.now()
            memory.withLock { ($0.lastTick, $0.lastError) = (now, nil) }
        } catch {
            let code = (error as? any CodedError)?.code ?? .internalError
            memory.withLock { $0.lastError = code }
            log.debug("images not looked after", ("error", String(describing: error)))
        }
    }

    private func isDue(_ reference: String, _ image: TrackedImage?) -> Bool {
        guard !ImageReference(reference).isPinned else { return false }
        let now = clock.now()
        return memory.withLock { memory in
            let due = memory.due[reference] ?? image?.checkedAt.map { $0 + settings.checkInterval }
            guard due.map({ $0 <= now }) ?? true else { return false }
            return memory.checking.insert(reference).inserted
        }
    }

    /// A template may be broken for an hour, so a reference keeps its way back as long as a retired image is kept.
    private func forgetIfUnnamed(_ image: TrackedImage, _ named: Set<String>) async throws {
        let (now, reference) = (clock.now(), image.reference)
        let isOver = memory.withLock { memory in
            guard !named.contains(reference), memory.underWay[reference] == nil else {
                memory.unnamedSince[reference] = nil
                return false
            }
            let since = memory.unnamedSince[reference] ?? now
            memory.unnamedSince[reference] = since
            return now - since >= settings.retention
        }
        guard isOver else { return }
        // What was built here can be had from nowhere: it stays.
        let versions = [image.current, image.previous].compactMap(\.self).filter { $0.digest != nil }
        try await records.forgetImage(reference, retired: versions.map { retire($0, ImageReference(reference)) })
        log.info("nothing names this image any more", ("image", reference))
    }

    /// The first version seen here is the one there is a way back to.
    private func noteIfNew(_ reference: ImageReference, _ image: TrackedImage?) async throws {
        guard image?.current == nil, let facts = try await source.local(reference) else { return }
        try await turns.run(reference.description) {
            var image = try await tracked(reference)
            guard image.current == nil else { return }
            image.current = source.version(of: facts, reference)
            try await records.save(image, retired: [], audit: [])
        }
    }
}

// MARK: - The digest watcher

extension ImageKeeper {
    /// Asks what the tag means now, and follows when it moved. Never pulls to find out.
    func check(_ reference: ImageReference) async {
        var retryAfter: Duration?
        do {
            retryAfter = try await follow(reference)
        } catch is CancellationError {
            return
        } catch {
            log.warning("image not checked", ("image", "\(reference)"), ("error", String(describing: error)))
        }
        let next = CheckPlan.next(after: clock.now(), interval: settings.checkInterval, retryAfter: retryAfter, dice: random.unit())
        memory.withLock {
            $0.due[reference.description] = next
            $0.checking.remove(reference.description)
        }
    }

    /// Returns how long the registry wants to be left alone.
    private func follow(_ reference: ImageReference) async throws -> Duration? {
        // What was built here is in no registry.
        if let here = try await source.local(reference), here.digests.isEmpty { return nil }
        let answer: Result<String, RegistryFailure>
        do {
            answer = .success(try await source.digest(of: reference))
        } catch let failure as RegistryFailure {
            answer = .failure(failure)
        }
        let verdict = try await note(answer, reference)
        switch answer {
        case .failure(let failure): return failure.retryAfter
        case .success(let digest):
            if verdict == .refresh {
                log.info("the tag has moved", ("image", "\(reference)"), ("digest", Self.short(digest)))
                _ = await refresh(reference, RefreshAsk(recreates: true, digest: digest))
            }
            return nil
        }
    }

    /// Writes down when it was asked and what came of it.
    private func note(_ answer: Result<String, RegistryFailure>, _ reference: ImageReference) async throws -> CheckPlan.Verdict? {
        try await turns.run(reference.description) {
            var image = try await tracked(reference)
            let now = clock.now()
            image.checkedAt = now
            switch answer {
            case .failure(let failure):
                image.checkFailure = ImageFailure(code: failure.code, message: failure.message, at: now)
                try await records.save(image, retired: [], audit: [])
                return nil
            case .success(let digest):
                image.checkFailure = nil
                let verdict = CheckPlan.verdict(on: digest, image, interval: settings.checkInterval, now: now)
                if verdict == .seed { image.observedDigest = digest }
                let isNews = verdict == .refresh && image.refused?.digest != digest && image.rollout?.target != digest
                let moved = AuditEvent(
                    kind: .imageMoved, workspaceID: nil, at: now, payload: ["image": .string(image.reference), "digest": .string(digest)])
                try await records.save(image, retired: [], audit: isNews ? [moved] : [])
                return verdict
            }
        }
    }

    /// Algorithm and first 12 digits, for people.
    static func short(_ digest: String) -> String { String(digest.prefix(19)) }
}
