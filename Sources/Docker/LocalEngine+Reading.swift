public import Model

extension LocalEngine: ContainerReading {
    /// Inspections side by side: one after the other, a thousand stopped containers would take seconds.
    static let inspectionsAtOnce = 8

    /// Running containers with a published port come from the list alone; the others are inspected, since a list tells neither when they
    /// started nor how they ended. One that goes away between the list and the look is left out.
    public func containers() async throws -> [ContainerFacts] {
        let listed = try await run(ContainerList(labels: ownership))
        let open = listed.filter { $0.state != .running || $0.agentURL == nil }
        let inspected = try await inspected(open.map(\.id))
        let sure = Set(listed.map(\.id)).subtracting(open.map(\.id))
        return listed.compactMap { sure.contains($0.id) ? $0 : inspected[$0.id] }
    }

    public func containers(of workspace: WorkspaceID) async throws -> [ContainerFacts] {
        let ids = try await run(ContainerList(labels: ownership(of: workspace))).map(\.id)
        let inspected = try await inspected(ids)
        return ids.compactMap { inspected[$0] }
    }

    /// What is still there of `ids`.
    private func inspected(_ ids: [String]) async throws -> [String: ContainerFacts] {
        try await withThrowingTaskGroup(of: ContainerFacts?.self) { group in
            var found: [String: ContainerFacts] = [:]
            var waiting = ids.makeIterator()
            for _ in 0..<Self.inspectionsAtOnce { if let id = waiting.next() { group.addTask { try await self.container(id) } } }
            while let facts = try await group.next() {
                if let facts { found[facts.id] = facts }
                if let id = waiting.next() { group.addTask { try await self.container(id) } }
            }
            return found
        }
    }

    public func container(_ id: String) async throws -> ContainerFacts? {
        try await run(ContainerInspect(id: id))?.facts
    }

    public func volumes(of workspace: WorkspaceID) async throws -> [String] {
        try await run(VolumeList(labels: ownership(of: workspace))).map(\.name)
    }

    public func logs(of containerID: String, _ options: LogOptions) async throws -> AsyncThrowingStream<LogChunk, any Error> {
        guard let found = try await run(ContainerInspect(id: containerID)) else { throw BackendError.containerMissing }
        let logs = ContainerLogs(id: containerID, options: options)
        let parser = found.hasTerminal ? LogParser.raw : .framed(LogFrames())
        return ChunkReader(try await open(logs), parser: parser, explain: explainer(of: logs)).stream
    }

    public func events(since: Timestamp?) async throws -> AsyncThrowingStream<ContainerEvent, any Error> {
        let events = Events(labels: ownership, since: since)
        let parser = EventParser(labels: ownership)
        return ChunkReader(try await open(events), parser: parser, atEnd: BackendError.engineUnavailable, explain: explainer(of: events))
            .stream
    }

    /// A file, or the files of a directory, out of a container in any state; paths start with the last component of `path`.
    /// nil when there is no such path. Throws `copy_failed` and the engine's own failures; more than `limit` bytes are one.
    public func copyOut(of containerID: String, path: String, limit: Int) async throws -> [ContainerFile]? {
        let archive = ArchiveGet(id: containerID, path: path)
        do {
            let body = try await open(archive)
            var reader = TarReader(limit: limit)
            var files: [ContainerFile] = []
            while let chunk = try await body.next() { files += try reader.append(chunk) }
            guard reader.ended else { throw EngineError.unreadable("the archive breaks off", body: []) }
            return files
        } catch let error as EngineError {
            throw explained(error, archive.call, meaning: archive.meaning)
        } catch let error as BackendError where error.code == .pathMissing {
            return nil
        }
    }

    private func explainer(of stream: some EngineStream) -> @Sendable (any Error) -> any Error {
        { [self] error in
            guard let error = error as? EngineError else { return error }
            return explained(error, stream.call, meaning: stream.meaning)
        }
    }
}
