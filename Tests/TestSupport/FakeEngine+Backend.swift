public import Model
import Synchronization

extension FakeEngine: EngineProbing, NetworkEnsuring, ImageStoring, ContainerMaking, ContainerRemoving {
    public func probe() async throws -> EngineFacts {
        try await call("probe") { EngineFacts(version: "fake", apiVersion: "1.41", operatingSystem: "linux") }
    }

    public func ensureNetwork() async throws -> WorkspaceNetwork {
        try await call("ensureNetwork") { [self] in
            state.withLock { state in
                let network = state.network ?? WorkspaceNetwork(id: "net1", name: "berth-\(instance.prefix8)", gateway: "172.30.0.1")
                state.network = network
                return network
            }
        }
    }

    public func image(_ reference: String) async throws -> ImageFacts? {
        try await call("image") { [self] in state.withLock { Self.image(reference, in: $0) } }
    }

    /// By a name or by the engine's id.
    private static func image(_ reference: String, in state: State) -> ImageFacts? {
        state.images[reference] ?? state.images.values.first { $0.id == reference }
    }

    public func tag(_ image: String, as reference: String) async throws {
        try await call("tag") { [self] in
            try state.withLock { state in
                guard let found = Self.image(image, in: state) else {
                    throw BackendError(.missing, .imageNotFound, "there is no image \(image)")
                }
                state.images[reference] = found
            }
        }
    }

    public func removeImage(_ reference: String) async throws -> Bool {
        try await call("removeImage") { [self] in
            state.withLock { state in
                guard let found = Self.image(reference, in: state) else { return true }
                let names = state.images.filter { $0.value.id == found.id }.map(\.key)
                let isLast = reference == found.id || names == [reference]
                guard !isLast || !state.boxes.values.contains(where: { $0.facts.imageID == found.id }) else { return false }
                for name in isLast ? names : [reference] { state.images[name] = nil }
                return true
            }
        }
    }

    public func freeBytes() async throws -> Int64? { try await call("freeBytes") { [self] in state.withLock { $0.freeBytes } } }

    public func rename(_ containerID: String, to name: String) async throws {
        try await call("rename") { [self] in
            try state.withLock { state in
                guard let box = Self.find(containerID, in: state) else { throw Self.noContainer(containerID) }
                guard !state.boxes.values.contains(where: { $0.facts.name == name && $0.facts.id != box.facts.id }) else {
                    throw BackendError(.conflict, .nameConflict, "the name \(name) is taken")
                }
                state.boxes[box.facts.id]?.facts.name = name
            }
        }
    }

    public func pull(_ reference: String, progress: @escaping @Sendable (PullProgress) -> Void) async throws {
        try await call("pull") { [self] in
            progress(PullProgress(status: "Downloading", doneBytes: 1, totalBytes: 2))
            try state.withLock { state in
                let parts = ImageReference(reference)
                guard let digest = parts.isPinned ? parts.tag : state.pullable[reference] else {
                    throw BackendError(.missing, .imageNotFound, "image \(reference) was not found at its registry")
                }
                state.images[reference] = ImageFacts(id: "id-\(digest)", digests: ["\(parts.name)@\(digest)"])
            }
        }
    }

    public func createVolume(_ name: String, labels: WorkspaceLabels) async throws {
        try await call("createVolume") { [self] in
            state.withLock {
                if $0.volumes[name] == nil { $0.volumes[name] = Volume(labels: labels.dictionary(for: instance), createdAt: clock.now()) }
            }
        }
    }

    public func createContainer(_ spec: ContainerSpec) async throws -> String {
        let box = try await call("createContainer") { [self] in try state.withLock { try add(spec, to: &$0) } }
        send([Self.event(.create, box, at: clock.now())])
        return box.facts.id
    }

    private func add(_ spec: ContainerSpec, to state: inout State) throws -> Box {
        guard let image = Self.image(spec.image, in: state) else {
            throw BackendError(.missing, .imageNotFound, "no such image: \(spec.image)")
        }
        guard !state.boxes.values.contains(where: { $0.facts.name == spec.name }) else {
            throw BackendError(.conflict, .nameConflict, "the name \(spec.name) is taken")
        }
        let id = Self.newID(&state)
        var facts = ContainerFacts(id: id, name: spec.name, labels: spec.labels.dictionary(for: instance), state: .created)
        facts.image = spec.image
        facts.imageID = image.id
        facts.hostname = id
        facts.createdAt = clock.now()
        var box = Box(facts: facts, spec: spec)
        for (volume, root) in spec.volumes {
            for (path, file) in state.volumes[volume]?.files ?? [:] { box.files["\(root)/\(path)"] = file }
        }
        state.boxes[id] = box
        return box
    }

    public func copy(_ files: [ContainerFile], into containerID: String, at directory: String) async throws {
        try await call("copy") { [self] in
            try state.withLock { state in
                guard let box = Self.find(containerID, in: state) else { throw Self.noContainer(containerID) }
                for file in files { Self.put(file, at: "\(directory)/\(file.path)", in: box, &state) }
            }
        }
    }

    /// What lies in a volume outlives the container.
    private static func put(_ file: ContainerFile, at path: String, in box: Box, _ state: inout State) {
        state.boxes[box.facts.id]?.files[path] = file
        for (volume, root) in box.spec.volumes where path.hasPrefix("\(root)/") {
            state.volumes[volume]?.files[String(path.dropFirst(root.count + 1))] = file
        }
    }

    public func removeContainer(_ containerID: String) async throws {
        send(
            try await call("removeContainer") { [self] in
                state.withLock { state in
                    guard let box = Self.find(containerID, in: state) else { return [] }
                    state.boxes[box.facts.id] = nil
                    let death =
                        [.running, .paused].contains(box.facts.state) ? [Self.event(.die, box, exitCode: 137, at: clock.now())] : []
                    return death + [Self.event(.destroy, box, at: clock.now())]
                }
            })
    }

    public func removeVolume(_ name: String) async throws {
        try await call("removeVolume") { [self] in
            try state.withLock { state in
                guard !state.boxes.values.contains(where: { $0.spec.volumes.contains { $0.name == name } }) else {
                    throw BackendError(.conflict, .volumeInUse, "the volume \(name) is in use")
                }
                state.volumes[name] = nil
            }
        }
    }
}

extension FakeEngine {
    static func find(_ idOrName: String, in state: State) -> Box? {
        state.boxes[idOrName] ?? state.boxes.values.first { $0.facts.name == idOrName }
    }

    static func noContainer(_ id: String) -> BackendError {
        BackendError(.missing, .containerMissing, "there is no container \(id)")
    }
}

extension ContainerSpec {
    fileprivate var volumes: [(name: String, root: String)] {
        mounts.compactMap { mount in
            switch mount {
            case .volume(let name, let root): (name, root)
            case .bind: nil
            }
        }
    }
}
