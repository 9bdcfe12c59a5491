public import Model

/// Gives provisions their image. The version that has proved itself goes before whatever the tag means at its registry by now.
public struct ImageSupply: ImageProviding {
    let source: ImageSource
    let records: any ImageRecording
    let clock: any TimeSource
    let log: any LogSink

    public func provide(_ reference: String, progress: @escaping @Sendable (PullReport) -> Void) async throws -> ImageVersion {
        let parts = ImageReference(reference)
        let here = try await source.local(parts)
        switch source.settings.pullPolicy {
        case .missing:
            if let here { return source.version(of: here, parts) }
            return try await bring(parts, progress)
        case .always:
            let facts = try await source.pull(parts, report: progress)
            return try await note(source.version(of: facts, parts), parts)
        case .never:
            guard let here else { throw Self.absent(parts) }
            return source.version(of: here, parts)
        }
    }

    private func bring(_ reference: ImageReference, _ progress: @escaping @Sendable (PullReport) -> Void) async throws -> ImageVersion {
        let proved = try await records.trackedImage(reference.description)?.current?.digest
        guard let proved, !reference.isPinned else {
            let facts = try await source.pull(reference, report: progress)
            return try await note(source.version(of: facts, reference), reference)
        }
        let facts = try await source.pull(reference.pinned(to: proved), report: progress)
        try await source.engine.tag(facts.id, as: reference.description)
        return ImageVersion(id: facts.id, digest: proved)
    }

    /// The first version of an image, or one that the policy brought without asking for a proof.
    private func note(_ version: ImageVersion, _ reference: ImageReference) async throws -> ImageVersion {
        var image = try await records.trackedImage(reference.description) ?? TrackedImage(reference: reference.description)
        guard image.current != version, image.rollout?.state.isOver ?? true else { return version }
        let older = image.succeed(by: version)
        let retired = older.map { RetiredImage(id: $0.id, reference: image.reference, digest: $0.digest, since: clock.now()) }
        try await records.save(image, retired: [retired].compactMap(\.self), audit: [])
        return version
    }

    private static func absent(_ reference: ImageReference) -> Failure {
        Failure(
            .imageNotFound, "the engine does not have the image \(reference), and IMAGE_PULL_POLICY is never",
            next: "Bring it to the engine (`docker load`, `docker build`), or set IMAGE_PULL_POLICY=missing.",
            details: ["image": .string("\(reference)")])
    }
}
