public import Model

extension ImageKeeper {
    public func report() async throws -> [ImageReport] {
        let catalog = try await catalog()
        let tracked = Dictionary(try await records.trackedImages().map { ($0.reference, $0) }) { $1 }
        let containers = try await engine.containers()
        var reports: [ImageReport] = []
        for reference in Set(catalog.references).union(tracked.keys).sorted() {
            let image = tracked[reference] ?? TrackedImage(reference: reference)
            let rows = catalog.workspaces[reference] ?? []
            let parts = ImageReference(reference)
            let facts = try await source.local(parts)
            var report = ImageReport(image: image, runtimes: (catalog.runtimes[reference] ?? []).sorted())
            report.workspaces = rows.count
            report.onCurrent = image.current.map { RolloutPlan(rows: rows, containers: containers, target: $0).onTarget } ?? 0
            report.isPinned = parts.isPinned
            report.isHere = facts != nil
            report.isBuiltHere = facts?.digests.isEmpty ?? false
            report.nextCheckAt = nextCheck(report)
            report.pull = pull(of: image)
            reports.append(report)
        }
        return reports
    }

    private func nextCheck(_ report: ImageReport) -> Timestamp? {
        guard settings.watches, !report.isPinned, !report.isBuiltHere else { return nil }
        let due = memory.withLock { $0.due[report.image.reference] }
        return due ?? report.image.checkedAt.map { $0 + settings.checkInterval }
    }

    /// A provision pulls by the tag, a refresh by the digest.
    private func pull(of image: TrackedImage) -> PullReport? {
        let reference = ImageReference(image.reference)
        let target = image.rollout.flatMap { $0.state == .pulling ? reference.pinned(to: $0.target).description : nil }
        let current = image.current?.digest.map { reference.pinned(to: $0).description }
        return [reference.description, target, current].lazy.compactMap { $0 }.compactMap { [source] in source.pulls.report(of: $0) }.first
    }

    public func refresh(_ runtimes: [String]?, recreate: Bool, dryRun: Bool) async throws -> RefreshReport {
        let catalog = try await catalog()
        let wanted = try runtimes.map { try checked($0, catalog) } ?? catalog.inUse
        let images = Set(wanted.flatMap { catalog.references(of: $0) }).sorted().map { ImageReference($0) }
        let outcomes = try await sideBySide(images) { image in
            dryRun
                ? try await self.foresee(image, recreate: recreate, catalog)
                : await self.refresh(image, RefreshAsk(recreates: recreate))
        }
        return RefreshReport(runtimes: wanted, outcomes: outcomes, imagesOf: { catalog.references(of: $0) }, dryRun: dryRun)
    }

    public func rollBack(_ runtime: String, dryRun: Bool) async throws -> RefreshReport {
        let catalog = try await catalog()
        let wanted = try checked([runtime], catalog)
        let images = catalog.references(of: runtime).map { ImageReference($0) }
        let outcomes = try await sideBySide(images) { image in
            dryRun ? try await self.foreseeRollback(image, catalog) : await self.rollBack(image)
        }
        return RefreshReport(runtimes: wanted, outcomes: outcomes, imagesOf: { catalog.references(of: $0) }, dryRun: dryRun)
    }

    private func checked(_ runtimes: [String], _ catalog: ImageCatalog) throws -> [String] {
        for runtime in runtimes where !catalog.known.contains(runtime) && catalog.references(of: runtime).isEmpty {
            throw Failure(
                .runtimeUnknown, "unknown runtime: \(runtime)", next: "Known are: \(catalog.known.joined(separator: ", ")).",
                details: ["known_runtimes": .array(catalog.known.map(JSONValue.string))])
        }
        return runtimes
    }

    private func sideBySide(
        _ images: [ImageReference], _ act: @escaping @Sendable (ImageReference) async throws -> ImageOutcome
    ) async throws -> [ImageOutcome] {
        try await withThrowingTaskGroup(of: ImageOutcome.self) { group in
            for image in images { group.addTask { try await act(image) } }
            return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.reference < $1.reference }
        }
    }

    /// What a refresh would do. The registry is asked; nothing is pulled.
    private func foresee(_ reference: ImageReference, recreate: Bool, _ catalog: ImageCatalog) async throws -> ImageOutcome {
        var outcome = ImageOutcome(reference: reference.description)
        guard !reference.isPinned else {
            outcome.note = "it is pinned to its digest, and cannot move"
            return outcome
        }
        do {
            let image = try await tracked(reference)
            let here = try await source.local(reference)
            let digest = here.map(\.digests.isEmpty) == true ? nil : try await source.digest(of: reference)
            let current = here.map { source.version(of: $0, reference) } ?? image.current
            let moves = digest.map { $0 != current?.digest } ?? (here?.id != image.current?.id)
            outcome.note = moves ? "a new version would be brought in: \(Self.short(digest ?? here?.id ?? ""))" : "it is up to date"
            let target = moves ? ImageVersion(id: digest == nil ? here?.id ?? "" : "not here yet", digest: digest) : current
            outcome.version = target
            if recreate, let target { try await note(try await plan(target, catalog, reference), &outcome) }
        } catch let error as any CodedError {
            outcome.failure = Failure(error.code, error.message, next: error.next, details: error.details)
        }
        return outcome
    }

    private func foreseeRollback(_ reference: ImageReference, _ catalog: ImageCatalog) async throws -> ImageOutcome {
        var outcome = ImageOutcome(reference: reference.description)
        let image = try await tracked(reference)
        guard let previous = image.previous else {
            outcome.failure = Failure(.noPreviousImage, "there is no earlier version of \(reference) to go back to")
            return outcome
        }
        outcome.version = previous
        outcome.note = "would go back to \(Self.short(previous.name))"
        try await note(try await plan(previous, catalog, reference), &outcome)
        return outcome
    }

    private func note(_ plan: RolloutPlan, _ outcome: inout ImageOutcome) async throws {
        outcome.recreated = plan.replaced.map(\.id.containerName)
        outcome.skipped = plan.skipped
    }
}

extension ImageSupply {
    public init(
        engine: any ImageStoring, registry: any ManifestLooking, records: any ImageRecording, settings: ImageSettings,
        metrics: ImageMetrics, clock: any TimeSource, random: any RandomSource, log: any LogSink
    ) {
        self.init(
            source: ImageSource(
                engine: engine, registry: registry, settings: settings, pulls: ImagePulls(stallLimit: settings.stallLimit, clock: clock),
                metrics: metrics, clock: clock, random: random, log: log),
            records: records, clock: clock, log: log)
    }
}
