public import Model

extension LocalEngine: ImageStoring {
    public func image(_ reference: String) async throws -> ImageFacts? {
        try await run(ImageInspect(reference: reference))
    }

    /// A login goes along only to the registry it is for. Success is what the engine has afterwards, not what it said on the way.
    public func pull(_ reference: String, progress: @escaping @Sendable (PullProgress) -> Void) async throws {
        let image = ImageReference(reference)
        let authorization = logins.login(for: image.registry)?.header(for: image.registry)
        let pull = ImagePull(reference: image, platform: client.settings.platform, authorization: authorization)
        do {
            try await run(pull, progress: progress)
        } catch let error as BackendError where error.code == .pullFailed {
            throw await diskIsFull(for: 0) ? .diskFull : error
        }
        guard try await self.image(reference) != nil else { throw pull.failed }
    }

    public func tag(_ image: String, as reference: String) async throws {
        try await run(ImageTag(image: image, reference: ImageReference(reference)))
    }

    public func removeImage(_ reference: String) async throws -> Bool { try await run(ImageRemove(reference: reference)) }

    public func freeBytes() async throws -> Int64? { try await run(Info()).rootDirectory.flatMap(freeBytes(under:)) }

    private func run(_ pull: ImagePull, progress: @Sendable (PullProgress) -> Void) async throws {
        do {
            try await follow(EngineBody(source: try await client.open(pull), client: client), of: pull, progress: progress)
        } catch let error as EngineError {
            let explained = explained(error, pull.call, meaning: pull.meaning)
            if case .unreachable(let failure) = error, failure.reason == .stalled { throw pull.stalled }
            throw explained
        }
    }

    private func follow(_ body: EngineBody, of pull: ImagePull, progress: @Sendable (PullProgress) -> Void) async throws {
        var lines = JSONLines()
        var tally = PullTally()
        while let chunk = try await body.next() {
            for line in try lines.append(chunk) { progress(try check(line, of: pull, tally: &tally)) }
        }
        if let line = try lines.finish() { progress(try check(line, of: pull, tally: &tally)) }
    }

    /// An error in the middle of the stream comes as a line: the status was sent long before.
    private func check(_ line: JSONValue, of pull: ImagePull, tally: inout PullTally) throws -> PullProgress {
        guard let words = line["error"]?.string ?? line["errorDetail"]?["message"]?.string else { return tally.add(line) }
        log.warning("pull failed", ("image", pull.reference.name), ("tag", pull.reference.tag), ("engine", words))
        throw pull.failure(line: line["errorDetail"]?["code"]?.int, words: words)
    }
}
