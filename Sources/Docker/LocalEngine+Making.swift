public import Model

extension LocalEngine: ContainerMaking {
    public func createVolume(_ name: String, labels: WorkspaceLabels) async throws {
        try await run(VolumeCreate(name: name, labels: labels.dictionary(for: instance)), writing: 0)
    }

    public func createContainer(_ spec: ContainerSpec) async throws -> String {
        let processors = spec.nanoCPUs > 1_000_000_000 ? try await processors() : nil
        let create = ContainerCreate(
            name: spec.name, image: spec.image, platform: spec.platform ?? client.settings.platform,
            body: spec.engineBody(instance: instance, processors: processors))
        do {
            let made = try await run(create, writing: 0)
            for warning in made.warnings { log.warning("engine warns", ("container", spec.name), ("engine", warning)) }
            return made.id
        } catch let error as BackendError where error.code == .engineError && error.kind == .failed {
            // Podman answers 500 for a name that is taken: look, instead of reading its message.
            throw try await container(spec.name) != nil ? create.nameConflict : error
        }
    }

    public func copy(_ files: [ContainerFile], into containerID: String, at directory: String) async throws {
        guard !files.isEmpty else { return }
        if let file = files.first(where: { $0.path.split(separator: "/").contains("..") }) {
            throw BackendError(
                .refused, .copyFailed, "A file would leave the directory it is copied to.", details: ["file": .string(file.path)])
        }
        let archive = TarWriter.archive(of: files)
        do {
            try await run(ArchivePut(id: containerID, directory: directory, archive: archive), writing: archive.count)
        } catch let error as BackendError where error.code == .pathMissing {
            throw try await container(containerID) == nil ? .containerMissing : error
        }
    }

    public func rename(_ containerID: String, to name: String) async throws {
        guard try await container(containerID)?.name != name else { return }
        try await run(ContainerRename(id: containerID, name: name))
    }

    /// Throws `start_failed` (kind `failed`) when the engine cannot start it. After a crash of the engine that can be for
    /// good: a container it was just starting is listed as created, and every start says that its task exists already. To an outside eye such a
    /// container is like any other whose start fails; removing it and making it again under the same name heals it, the volumes keep the
    /// files. A paused container is refused as `conflict`. `EngineContractTests` crashes an engine in the middle of starts.
    public func start(_ containerID: String) async throws {
        do {
            try await run(ContainerStart(id: containerID), writing: 0)
        } catch let error as BackendError where error.code == .networkMissing {
            throw try await container(containerID) == nil ? .containerMissing : error
        }
    }
}

extension LocalEngine: ContainerRemoving {
    public func removeContainer(_ containerID: String) async throws {
        guard try await forceRemove(containerID, attempts: 3) == .underWay else { return }
        let wait = ContainerWait(id: containerID)
        try await run(wait)
        guard try await container(containerID) == nil else { throw wait.meaning(of: 500) }
    }

    /// A container that dies just as it is killed makes the engine answer 500 and leave it there. A stop waits for that death.
    private func forceRemove(_ containerID: String, attempts: Int) async throws -> ContainerRemove.Outcome {
        do {
            return try await run(ContainerRemove(id: containerID))
        } catch let error as BackendError where error.code == .stopFailed && attempts > 1 {
            try await run(ContainerStop(id: containerID, grace: .zero))
            return try await forceRemove(containerID, attempts: attempts - 1)
        }
    }

    public func removeVolume(_ name: String) async throws {
        try await run(VolumeRemove(name: name))
    }
}
