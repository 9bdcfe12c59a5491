public import Model
import Synchronization

extension FakeEngine: EngineProbing, NetworkEnsuring, ImageStoring, ContainerMaking, ContainerStopping, ContainerRemoving,
    ContainerReading, ContainerSurveying
{
    public func probe() async throws -> EngineFacts {
        try await faults.perform("probe") { EngineFacts(version: "fake", apiVersion: "1.41", operatingSystem: "linux") }
    }

    public func ensureNetwork() async throws -> WorkspaceNetwork {
        try await faults.perform("ensureNetwork") { [self] in
            state.withLock { state in
                let network = state.network ?? WorkspaceNetwork(id: "net1", name: "berth-\(instance.prefix8)", gateway: "172.30.0.1")
                state.network = network
                return network
            }
        }
    }

    public func image(_ reference: String) async throws -> ImageFacts? {
        try await faults.perform("image") { [self] in state.withLock { $0.images[reference] } }
    }

    public func pull(_ reference: String, progress: @escaping @Sendable (PullProgress) -> Void) async throws {
        try await faults.perform("pull") { [self] in
            progress(PullProgress(status: "Downloading", doneBytes: 1, totalBytes: 2))
            try state.withLock { state in
                guard state.pullable.contains(reference) else {
                    throw BackendError(.missing, .imageNotFound, "image \(reference) was not found at its registry")
                }
                state.images[reference] = ImageFacts(id: "sha256:\(reference)", digests: [])
            }
        }
    }

    public func createVolume(_ name: String, labels: WorkspaceLabels) async throws {
        try await faults.perform("createVolume") { [self] in
            state.withLock { if $0.volumes[name] == nil { $0.volumes[name] = labels.dictionary(for: instance) } }
        }
    }

    public func createContainer(_ spec: ContainerSpec) async throws -> String {
        let box = try await faults.perform("createContainer") { [self] in try state.withLock { try add(spec, to: &$0) } }
        send(Self.event(.create, box, at: clock.now()))
        return box.facts.id
    }

    private func add(_ spec: ContainerSpec, to state: inout State) throws -> Box {
        guard let image = state.images[spec.image] else { throw BackendError(.missing, .imageNotFound, "no such image: \(spec.image)") }
        guard !state.boxes.values.contains(where: { $0.facts.name == spec.name }) else {
            throw BackendError(.conflict, .nameConflict, "the name \(spec.name) is taken")
        }
        let id = Self.newID(&state)
        var facts = ContainerFacts(id: id, name: spec.name, labels: spec.labels.dictionary(for: instance), state: .created)
        facts.image = spec.image
        facts.imageID = image.id
        facts.hostname = id
        facts.createdAt = clock.now()
        let box = Box(facts: facts, spec: spec)
        state.boxes[id] = box
        return box
    }

    public func copy(_ files: [ContainerFile], into containerID: String, at directory: String) async throws {
        try await faults.perform("copy") { [self] in
            try state.withLock { state in
                guard state.boxes[containerID] != nil else { throw Self.noContainer(containerID) }
                for file in files { state.boxes[containerID]?.files["\(directory)/\(file.path)"] = file }
            }
        }
    }

    public func start(_ containerID: String) async throws {
        let events = try await faults.perform("start") { [self] in try state.withLock { try run(containerID, &$0) } }
        for event in events { send(event) }
    }

    private func run(_ id: String, _ state: inout State) throws -> [ContainerEvent] {
        guard var box = state.boxes[id] else { throw Self.noContainer(id) }
        guard box.facts.state != .running else { return [] }
        state.nextPort += 1
        box.everStarted = true
        box.facts.state = .running
        box.facts.startedAt = clock.now()
        box.facts.agentURL = box.spec.hostNetwork ? nil : "http://127.0.0.1:\(state.nextPort)"
        box.facts.addresses = box.spec.hostNetwork ? [] : ["172.30.0.2"]
        state.boxes[id] = box
        let started = Self.event(.start, box, at: clock.now())
        switch state.behaviours[box.facts.image] ?? .serve {
        case .serve: return [started]
        case .exit(let code, let restarts):
            return [started] + [Self.end(id, code, restarts: restarts, &state, clock.now())].compactMap { $0 }
        case .exhaustMemory:
            state.boxes[id]?.facts.outOfMemory = true
            return [started] + [Self.end(id, 137, restarts: false, &state, clock.now())].compactMap { $0 }
        }
    }

    public func removeContainer(_ containerID: String) async throws {
        let events = try await faults.perform("removeContainer") { [self] in
            state.withLock { state -> [ContainerEvent] in
                guard let box = state.boxes.removeValue(forKey: containerID) else { return [] }
                let death = box.facts.state == .running ? [Self.event(.die, box, exitCode: 137, at: clock.now())] : []
                return death + [Self.event(.destroy, box, at: clock.now())]
            }
        }
        for event in events { send(event) }
    }

    public func removeVolume(_ name: String) async throws {
        try await faults.perform("removeVolume") { [self] in
            try state.withLock { state in
                let inUse = state.boxes.values.contains { box in
                    box.spec.mounts.contains { if case .volume(name, _) = $0 { true } else { false } }
                }
                guard !inUse else { throw BackendError(.conflict, .volumeInUse, "the volume \(name) is in use") }
                state.volumes[name] = nil
            }
        }
    }

    public func containers() async throws -> [ContainerFacts] {
        try await faults.perform("containers") { [self] in boxes.filter(isOurs).map(\.facts) }
    }

    public func containers(of workspace: WorkspaceID) async throws -> [ContainerFacts] {
        try await faults.perform("containersOf") { [self] in boxes(of: workspace).filter(isOurs).map(\.facts) }
    }

    public func container(_ id: String) async throws -> ContainerFacts? {
        try await faults.perform("container") { [self] in state.withLock { $0.boxes[id]?.facts } }
    }

    public func volumes(of workspace: WorkspaceID) async throws -> [String] {
        try await faults.perform("volumesOf") { [self] in
            state.withLock { state in
                state.volumes.filter { WorkspaceLabels($0.value, of: instance)?.workspace == workspace }.keys.sorted()
            }
        }
    }

    public func stop(_ containerID: String, grace: Duration) async throws {
        let event = try await faults.perform("stop") { [self] in
            state.withLock { state -> ContainerEvent? in
                guard let box = state.boxes[containerID], [.running, .restarting, .paused].contains(box.facts.state) else { return nil }
                return Self.end(containerID, 143, restarts: false, &state, clock.now())
            }
        }
        send(event)
    }

    public func volumes() async throws -> [VolumeFacts] {
        try await faults.perform("volumes") { [self] in
            state.withLock { state in
                state.volumes.filter { WorkspaceLabels($0.value, of: instance) != nil }
                    .map { VolumeFacts(name: $0.key, labels: $0.value, createdAt: nil) }.sorted { $0.name < $1.name }
            }
        }
    }

    public func details(of containerID: String) async throws -> ContainerDetails? {
        try await faults.perform("details") { [self] in
            state.withLock { state in
                guard let box = state.boxes[containerID] else { return nil }
                var details = ContainerDetails(facts: box.facts)
                details.environment = box.spec.environment
                details.memoryBytes = box.spec.memoryBytes
                details.nanoCPUs = box.spec.nanoCPUs
                details.pidsLimit = Int64(box.spec.pidsLimit)
                details.restartPolicy = "unless-stopped"
                details.imageDigests = state.images[box.facts.image]?.digests ?? []
                details.mounts = box.spec.mounts.map(ContainerDetails.MountFacts.init)
                return details
            }
        }
    }

    public func file(_ path: String, of containerID: String) async throws -> [UInt8]? {
        try await faults.perform("file") { [self] in state.withLock { $0.boxes[containerID]?.files[path]?.bytes } }
    }

    public func strangers() async throws -> [ContainerFacts] {
        try await faults.perform("strangers") { [self] in
            boxes.filter { !isOurs($0) && ($0.facts.name.hasPrefix("ws-") || $0.facts.labels[WorkspaceLabels.managed] != nil) }.map(\.facts)
        }
    }

    public func logs(of containerID: String, _ options: LogOptions) async throws -> AsyncThrowingStream<LogChunk, any Error> {
        try await faults.perform("logs") { [self] in
            state.withLock { $0.logReads.append(options) }
            guard let log = state.withLock({ $0.boxes[containerID]?.log }) else { throw Self.noContainer(containerID) }
            return AsyncThrowingStream { continuation in
                for chunk in log { continuation.yield(chunk) }
                continuation.finish()
            }
        }
    }

    public func events(since: Timestamp?) async throws -> AsyncThrowingStream<ContainerEvent, any Error> {
        try await faults.perform("events") { [self] in
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

    private static func noContainer(_ id: String) -> BackendError {
        BackendError(.missing, .containerMissing, "there is no container \(id)")
    }
}

extension ContainerDetails.MountFacts {
    init(_ mount: ContainerSpec.Mount) {
        switch mount {
        case .volume(let name, let path): self.init(type: "volume", source: name, target: path, readOnly: false)
        case .bind(let path, let target, let readOnly): self.init(type: "bind", source: path, target: target, readOnly: readOnly)
        }
    }
}
