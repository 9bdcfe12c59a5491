import Model

/// The engine as one installation's daemon sees and uses it.
struct EngineView: Sendable {
    let host: EngineHost
    let instance: InstanceID
    let gate: Gate

    private func isOurs(_ box: EngineHost.Box) -> Bool { WorkspaceLabels(box.facts.labels, of: instance) != nil }

    private func noContainer(_ id: String) -> BackendError { BackendError(.missing, .containerMissing, "there is no container \(id)") }

    private func index(_ id: String) throws -> Int {
        guard let index = host.index(id) else { throw noContainer(id) }
        return index
    }
}

extension EngineView: EngineProbing, NetworkEnsuring, ImageStoring, ContainerMaking, ContainerStopping, ContainerRemoving {
    func probe() async throws -> EngineFacts {
        try await gate.perform("probe") { EngineFacts(version: "simulated", apiVersion: "1.41", operatingSystem: "linux") }
    }

    func ensureNetwork() async throws -> WorkspaceNetwork {
        try await gate.perform("ensureNetwork") {
            WorkspaceNetwork(id: "net-\(instance.prefix8)", name: "berth-\(instance.prefix8)", gateway: "172.30.0.1")
        }
    }

    func image(_ reference: String) async throws -> ImageFacts? {
        try await gate.perform("image") {
            host.images.contains(reference) ? ImageFacts(id: "sha256:\(reference)", digests: []) : nil
        }
    }

    func pull(_ reference: String, progress: @escaping @Sendable (PullProgress) -> Void) async throws {
        try await gate.perform("pull") {
            progress(PullProgress(status: "Downloading", doneBytes: 1, totalBytes: 2))
            guard host.pullable.contains(reference) else {
                throw BackendError(.missing, .imageNotFound, "image \(reference) was not found at its registry")
            }
            host.images.insert(reference)
        }
    }

    func tag(_ image: String, as reference: String) async throws {
        try await gate.perform("tag") { _ = host.images.insert(reference) }
    }

    func removeImage(_ reference: String) async throws -> Bool {
        try await gate.perform("removeImage") {
            host.images.remove(reference)
            return true
        }
    }

    func rename(_ containerID: String, to name: String) async throws {
        try await gate.perform("rename") { host.boxes[try index(containerID)].facts.name = name }
    }

    func freeBytes() async throws -> Int64? { nil }

    func createVolume(_ name: String, labels: WorkspaceLabels) async throws {
        try await gate.perform("createVolume") {
            guard host.volumeIndex(name) == nil else { return }
            host.volumes.append(
                EngineHost.Volume(name: name, labels: labels.dictionary(for: instance), createdAt: host.stage.now))
        }
    }

    func createContainer(_ spec: ContainerSpec) async throws -> String {
        try await gate.perform("createContainer") {
            // As a real engine does: a volume that is named and not there is made, without labels.
            for case .volume(let name, _) in spec.mounts where host.volumeIndex(name) == nil {
                host.volumes.append(EngineHost.Volume(name: name, labels: [:], createdAt: host.stage.now))
            }
            return try host.add(spec, labels: spec.labels.dictionary(for: instance))
        }
    }

    func copy(_ files: [ContainerFile], into containerID: String, at directory: String) async throws {
        let judging: @Sendable () -> Violation? = { watch(containerID) { $0.beforeTouching($1, by: instance, "copied into") } }
        try await gate.perform("copy", judging: judging) {
            let index = try index(containerID)
            for file in files { host.write(file.bytes, at: "\(directory)/\(file.path)", of: index) }
        }
    }

    func start(_ containerID: String) async throws {
        let judging: @Sendable () -> Violation? = { watch(containerID) { $0.beforeTouching($1, by: instance, "started") } }
        try await gate.perform("start", judging: judging) {
            try host.start(try index(containerID))
        }
    }

    func stop(_ containerID: String, grace: Duration) async throws {
        let judging: @Sendable () -> Violation? = { watch(containerID) { $0.beforeEnding($1, by: instance, "stopped") } }
        try await gate.perform("stop", judging: judging) {
            if let index = host.index(containerID) { host.stop(index) }
        }
    }

    func removeContainer(_ containerID: String) async throws {
        let judging: @Sendable () -> Violation? = { watch(containerID) { $0.beforeEnding($1, by: instance, "removed") } }
        try await gate.perform("removeContainer", judging: judging) {
            if let index = host.index(containerID) { host.remove(index) }
        }
    }

    func removeVolume(_ name: String) async throws {
        let judging: @Sendable () -> Violation? = { watchVolume(name) }
        try await gate.perform("removeVolume", judging: judging) { try host.removeVolume(name) }
    }

    private func watch(_ containerID: String, _ look: (Watchman, EngineHost.Box) -> Violation?) -> Violation? {
        guard let watchman = host.watchman, let index = host.index(containerID) else { return nil }
        return look(watchman, host.boxes[index])
    }

    private func watchVolume(_ name: String) -> Violation? {
        guard let index = host.volumeIndex(name), !host.boxes.contains(where: { $0.mounts(name) }) else { return nil }
        return host.watchman?.beforeRemoving(host.volumes[index], by: instance)
    }
}

extension EngineView: ContainerReading, ContainerSurveying {
    func containers() async throws -> [ContainerFacts] {
        try await gate.perform("containers") { host.boxes.filter(isOurs).map { Self.listed($0.facts) } }
    }

    func containers(of workspace: WorkspaceID) async throws -> [ContainerFacts] {
        try await gate.perform("containersOf") {
            host.boxes.filter { WorkspaceLabels($0.facts.labels, of: instance)?.workspace == workspace }.map(\.facts)
        }
    }

    /// A list says little of what runs: `ContainerReading` promises no more.
    private static func listed(_ facts: ContainerFacts) -> ContainerFacts {
        guard facts.state == .running else { return facts }
        var listed = facts
        listed.startedAt = nil
        listed.finishedAt = nil
        listed.restartCount = 0
        listed.outOfMemory = false
        listed.hostname = ""
        listed.addresses = []
        return listed
    }

    func container(_ id: String) async throws -> ContainerFacts? {
        try await gate.perform("container") { host.index(id).map { host.boxes[$0].facts } }
    }

    func volumes(of workspace: WorkspaceID) async throws -> [String] {
        try await gate.perform("volumesOf") {
            host.volumes.filter { WorkspaceLabels($0.labels, of: instance)?.workspace == workspace }.map(\.name)
        }
    }

    func volumes() async throws -> [VolumeFacts] {
        try await gate.perform("volumes") {
            host.volumes.filter { WorkspaceLabels($0.labels, of: instance) != nil }
                .map { VolumeFacts(name: $0.name, labels: $0.labels, createdAt: $0.createdAt) }
        }
    }

    func logs(of containerID: String, _ options: LogOptions) async throws -> AsyncThrowingStream<LogChunk, any Error> {
        try await gate.perform("logs") {
            _ = try index(containerID)
            return AsyncThrowingStream { continuation in
                continuation.yield(LogChunk(stream: .output, bytes: Array("a line\n".utf8)))
                continuation.finish()
            }
        }
    }

    func events(since: Timestamp?) async throws -> AsyncThrowingStream<ContainerEvent, any Error> {
        try await gate.perform("events") {
            let (stream, continuation) = AsyncThrowingStream.makeStream(of: ContainerEvent.self)
            let number = host.stage.nextNumber()
            host.readers.append(EngineHost.Reader(number: number, instance: instance, continuation: continuation))
            if let since {
                for event in host.history where event.at >= since && event.labels[WorkspaceLabels.instance] == instance.text {
                    continuation.yield(event)
                }
            }
            continuation.onTermination = { [host] _ in host.readers.removeAll { $0.number == number } }
            return stream
        }
    }

    func details(of containerID: String) async throws -> ContainerDetails? {
        try await gate.perform("details") {
            guard let index = host.index(containerID) else { return nil }
            var details = ContainerDetails(facts: host.boxes[index].facts)
            details.environment = host.boxes[index].spec?.environment ?? []
            details.restartPolicy = "unless-stopped"
            return details
        }
    }

    func file(_ path: String, of containerID: String) async throws -> [UInt8]? {
        try await gate.perform("file") { host.index(containerID).flatMap { host.read(path, of: $0) } }
    }

    func strangers() async throws -> [ContainerFacts] {
        try await gate.perform("strangers") {
            host.boxes.filter {
                !isOurs($0) && ($0.facts.name.hasPrefix("ws-") || $0.facts.labels[WorkspaceLabels.managed] != nil)
            }.map(\.facts)
        }
    }
}
