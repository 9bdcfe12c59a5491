public import Model

extension LocalEngine: ContainerReading {
    /// Running containers with a published port come from the list alone; the others are inspected.
    public func containers() async throws -> [ContainerFacts] {
        var all: [ContainerFacts] = []
        for listed in try await run(ContainerList(labels: ownership)) {
            if listed.state == .running, listed.agentURL != nil {
                all.append(listed)
            } else if let inspected = try await container(listed.id) {
                all.append(inspected)
            }
        }
        return all
    }

    public func containers(of workspace: WorkspaceID) async throws -> [ContainerFacts] {
        var all: [ContainerFacts] = []
        for listed in try await run(ContainerList(labels: ownership(of: workspace))) {
            if let inspected = try await container(listed.id) { all.append(inspected) }
        }
        return all
    }

    public func container(_ id: String) async throws -> ContainerFacts? {
        try await run(ContainerInspect(id: id))?.facts
    }

    public func volumes(of workspace: WorkspaceID) async throws -> [String] {
        try await run(VolumeList(labels: ownership(of: workspace)))
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

extension LocalEngine: ContainerSurveying {
    public func volumes() async throws -> [VolumeFacts] { throw BackendError.containerMissing }
    public func details(of containerID: String) async throws -> ContainerDetails? { throw BackendError.containerMissing }
    public func file(_ path: String, of containerID: String) async throws -> [UInt8]? { throw BackendError.containerMissing }
    public func strangers() async throws -> [ContainerFacts] { throw BackendError.containerMissing }
}
