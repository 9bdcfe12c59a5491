public import Model
import Synchronization

extension FakeEngine: ContainerReading, ContainerSurveying {
    public func containers() async throws -> [ContainerFacts] {
        try await call("containers") { [self] in boxes.map(\.facts).filter { isOurs($0.labels) } }
    }

    public func containers(of workspace: WorkspaceID) async throws -> [ContainerFacts] {
        try await call("containersOf") { [self] in boxes(of: workspace).map(\.facts).filter { isOurs($0.labels) } }
    }

    public func container(_ id: String) async throws -> ContainerFacts? {
        try await call("container") { [self] in state.withLock { Self.find(id, in: $0)?.facts } }
    }

    public func volumes(of workspace: WorkspaceID) async throws -> [String] {
        try await call("volumesOf") { [self] in
            ourVolumes.filter { $0.labels[WorkspaceLabels.workspaceID] == workspace.text }.map(\.name)
        }
    }

    public func volumes() async throws -> [VolumeFacts] {
        try await call("volumes") { [self] in ourVolumes }
    }

    private var ourVolumes: [VolumeFacts] {
        let all = state.withLock { $0.volumes.map { VolumeFacts(name: $0.key, labels: $0.value.labels, createdAt: $0.value.createdAt) } }
        return all.filter { isOurs($0.labels) }.sorted { $0.name < $1.name }
    }

    public func details(of containerID: String) async throws -> ContainerDetails? {
        try await call("details") { [self] in
            state.withLock { state in
                guard let box = Self.find(containerID, in: state) else { return nil }
                return ContainerDetails(box, image: state.images[box.facts.image])
            }
        }
    }

    public func file(_ path: String, of containerID: String) async throws -> [UInt8]? {
        try await call("file") { [self] in
            let bytes = state.withLock { Self.find(containerID, in: $0)?.files[path]?.bytes }
            guard (bytes?.count ?? 0) <= 64 << 10 else { throw BackendError(.failed, .engineError, "the file is too large") }
            return bytes
        }
    }

    public func strangers() async throws -> [ContainerFacts] {
        try await call("strangers") { [self] in
            boxes.map(\.facts).filter { facts in
                !isOurs(facts.labels) && (facts.name.hasPrefix("ws-") || facts.labels[WorkspaceLabels.managed] != nil)
            }
        }
    }

    public func logs(of containerID: String, _ options: LogOptions) async throws -> AsyncThrowingStream<LogChunk, any Error> {
        try await call("logs") { [self] in
            state.withLock { $0.logReads.append(options) }
            guard let log = state.withLock({ Self.find(containerID, in: $0)?.log }) else { throw Self.noContainer(containerID) }
            return AsyncThrowingStream { continuation in
                for chunk in log { continuation.yield(chunk) }
                continuation.finish()
            }
        }
    }

    public func events(since: Timestamp?) async throws -> AsyncThrowingStream<ContainerEvent, any Error> {
        try await call("events") { [self] in
            let (stream, continuation) = AsyncThrowingStream.makeStream(of: ContainerEvent.self)
            let number = state.withLock { state in
                state.nextNumber += 1
                state.watchers[state.nextNumber] = continuation
                if let since { for event in state.history where event.at >= since { continuation.yield(event) } }
                return state.nextNumber
            }
            continuation.onTermination = { [weak self] _ in self?.forgetWatcher(number) }
            return stream
        }
    }

    private func forgetWatcher(_ number: Int) { state.withLock { $0.watchers[number] = nil } }
}

extension ContainerDetails {
    fileprivate init(_ box: FakeEngine.Box, image: ImageFacts?) {
        self.init(facts: box.facts)
        imageDigests = image?.digests ?? []
        imageEnvironment = image?.environment ?? []
        memoryBytes = box.spec.memoryBytes
        nanoCPUs = box.spec.nanoCPUs
        pidsLimit = Int64(box.spec.pidsLimit)
        restartPolicy = "unless-stopped"
        mounts = box.spec.mounts.map(MountFacts.init)
        environment = (imageEnvironment + box.spec.environment).reversed().reduce(into: []) { kept, variable in
            if !kept.contains(where: { $0.name == variable.name }) { kept.insert(variable, at: 0) }
        }
        guard let port = box.facts.agentURL?.split(separator: ":").last.flatMap({ Int($0) }) else { return }
        ports = [PortFacts(container: "\(box.spec.agentPort)/tcp", hostAddress: "127.0.0.1", hostPort: port)]
    }
}

extension ContainerDetails.MountFacts {
    fileprivate init(_ mount: ContainerSpec.Mount) {
        switch mount {
        case .volume(let name, let path): self.init(type: "volume", source: name, target: path, readOnly: false)
        case .bind(let path, let target, let readOnly): self.init(type: "bind", source: path, target: target, readOnly: readOnly)
        }
    }
}
