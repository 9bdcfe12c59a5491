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
                // One that cannot go keeps no other from going.
                do {
                    entry.reason = try await remove(image, facts)
                    entry.removed = entry.reason == nil
                } catch let error as BackendError where error.kind != .unavailable {
                    entry.reason = error.message
                }
            }
            pruned.append(entry)
        }
        if !dryRun { try await forget(pruned.filter(\.removed).map(\.image)) }
        return pruned
    }

    /// By its names one after another, our own and the registries': with the last one the image goes. Returns why it did not; one that somebody
    /// else named stays.
    private func remove(_ image: RetiredImage, _ facts: ImageFacts?) async throws -> String? {
        guard let facts else { return nil }
        let ours = ImageVersion(id: image.id, digest: image.digest).keptName
        // The tag still means it when nothing names the reference any more.
        let tag = try await engine.image(image.reference)?.id == image.id ? [image.reference] : []
        for name in [ours] + tag + facts.digests { _ = try await engine.removeImage(name) }
        guard let left = try await engine.image(image.id) else { return nil }
        if let name = left.names.first { return "somebody named it \(name)" }
        return try await engine.removeImage(image.id) ? nil : "a container needs it"
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
