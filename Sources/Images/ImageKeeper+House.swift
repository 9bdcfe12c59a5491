public import Model

extension ImageKeeper {
    /// Removes retired images whose time is over and that nothing needs: no workspace, no way back, no container. A dry run says which.
    public func prune(dryRun: Bool) async throws -> [PrunedImage] {
        let retired = try await records.retiredImages()
        guard !retired.isEmpty else { return [] }
        let tracked = try await records.trackedImages()
        let needed = Set(tracked.flatMap { [$0.current?.id, $0.previous?.id] }.compactMap { $0 })
        let target = Set(tracked.compactMap(\.rollout).filter { !$0.state.isOver }.map(\.target))
        let inUse = Set(try await engine.containers().map(\.imageID))
        var pruned: [PrunedImage] = []
        for image in retired where !needed.contains(image.id) && !target.contains(image.digest ?? image.id) {
            let due = image.since + settings.retention
            let facts = try await engine.image(image.id)
            var entry = PrunedImage(image: image, sizeBytes: facts?.sizeBytes ?? 0, removed: false, reason: nil)
            if inUse.contains(image.id) {
                entry.reason = "a container needs it"
            } else if due > clock.now() {
                entry.reason = "kept until \(due.rfc3339)"
            } else if !dryRun {
                entry.removed = try await remove(image, facts)
                if !entry.removed { entry.reason = "a container needs it" }
            }
            pruned.append(entry)
        }
        if !dryRun { try await forget(pruned.filter(\.removed).map(\.image)) }
        return pruned
    }

    /// By its names one after another, our own and the registries': with the last one the image goes. One that somebody else named stays.
    private func remove(_ image: RetiredImage, _ facts: ImageFacts?) async throws -> Bool {
        guard let facts else { return true }
        let ours = ImageVersion(id: image.id, digest: image.digest).keptName
        for name in [ours] + facts.digests { _ = try await engine.removeImage(name) }
        guard try await engine.image(image.id) != nil else { return true }
        return try await engine.removeImage(image.id)
    }

    private func forget(_ images: [RetiredImage]) async throws {
        guard !images.isEmpty else { return }
        let now = clock.now()
        let audit = images.map { image in
            AuditEvent(
                kind: .imageRemoved, workspaceID: nil, at: now,
                payload: ["image": .string(image.reference), "image_id": .string(image.id), "digest": .optional(image.digest)])
        }
        try await records.forgetRetired(images.map(\.id), audit: audit)
    }
}
