public import Model

/// What every `WorkspaceBackend` must do, told as one workspace's life. The fake and a real engine run through the same sentences;
/// only how a container gets its program differs, so that is a parameter.
public struct EngineContract: Sendable {
    /// What a container of the contract does once it is started.
    public enum Program: Sendable {
        /// Listens on port 8000 until it is killed, after writing `ready` to its output and `warned` to its errors.
        case serve
        /// Writes `failing` and ends with 3.
        case fail
    }

    public let backend: any WorkspaceBackend
    public let instance: InstanceID
    /// An image the backend has.
    public let image: String
    /// Puts the program into a container that was created and not yet started.
    public let install: @Sendable (Program, String) async throws -> Void
    let workspace: Workspace

    /// What people call workspaces: labels must bring it back letter by letter.
    static let oddName = #"Ünïcode "quoted" 'n' $HOME = 日本, 👩‍🚀 \ #1"#

    public init(
        backend: any WorkspaceBackend, instance: InstanceID, image: String, workspace: WorkspaceID,
        install: @escaping @Sendable (Program, String) async throws -> Void
    ) {
        self.backend = backend
        self.instance = instance
        self.image = image
        self.install = install
        var row = Workspace(
            id: workspace, name: Self.oddName, runtime: "echo", condition: .init(.provisioning), createdAt: Timestamp(seconds: 0))
        row.generation = 7
        row.template = "echo"
        self.workspace = row
    }

    /// Every sentence, in order.
    public func check() async throws {
        try await networkIsOne()
        try await imagesAreFoundByName()
        try await volumesBelongToTheirWorkspace()
        try await containerServes()
        try await nameIsTakenOnce()
        try await failureIsSeen()
        try await stopIsForGood()
        try await stopEndsRestarts()
        try await detailsAreTold()
        try await filesAreRead()
        try await absenceIsNoFailure()
    }

    public func networkIsOne() async throws {
        async let left = backend.ensureNetwork()
        async let right = backend.ensureNetwork()
        let both = try await (left, right)
        try expect(both.0 == both.1, "two callers at once get one network")
        try expect(try await backend.ensureNetwork() == both.0, "a later caller gets the same network")
        try expect(!both.0.gateway.isEmpty, "the network has a gateway")
    }

    public func imagesAreFoundByName() async throws {
        try expect(try await backend.image(image)?.id.isEmpty == false, "an image that is there has an id")
        try expect(try await backend.image("berth-contract/nowhere:1") == nil, "an image that is not there is nil")
    }

    public func volumesBelongToTheirWorkspace() async throws {
        let name = volume("only")
        try await backend.createVolume(name, labels: WorkspaceLabels(workspace: workspace))
        try await backend.createVolume(name, labels: WorkspaceLabels(workspace: workspace))
        try expect(try await backend.volumes(of: workspace.id) == [name], "a volume made twice is listed once, by its workspace")
        let listed = try await backend.volumes().filter { $0.name == name }
        try expect(listed.count == 1 && listed.first?.createdAt != nil, "it is listed by its installation, with the time it was made")
        let labels = WorkspaceLabels(listed.first?.labels ?? [:], of: instance)
        try expect(labels == WorkspaceLabels(workspace: workspace), "its labels are those it was made with")
        try await backend.removeVolume(name)
        try await backend.removeVolume(name)
        try expect(try await backend.volumes(of: workspace.id).isEmpty, "a removed volume is gone, and removing it again is success")
    }

    public func containerServes() async throws {
        let id = try await create("serve")
        let created = try await facts(id)
        try expect(created.state == .created && created.agentURL == nil, "a created container does not run")
        try await backend.copy([ContainerFile(path: "sub/dir/data.txt", bytes: [1, 2, 3], mode: 0o600)], into: id, at: "/configs")
        try await install(.serve, id)
        try await backend.start(id)
        try await backend.start(id)
        let running = try await facts(id)
        try expect(running.state == .running, "a started container runs, and starting it again is success")
        try expect(running.agentURL?.hasPrefix("http://127.0.0.1:") == true, "its port is published on loopback")
        try expect(
            WorkspaceLabels(running.labels, of: instance) == WorkspaceLabels(workspace: workspace), "its labels rebuild the workspace")
        try await listings(name: id)
        try await expectLog(of: id)
        try await expectVolumeInUse()
        try await removal(of: id)
    }

    public func nameIsTakenOnce() async throws {
        let id = try await create("serve")
        try await expectError(.nameConflict, .conflict) { _ = try await create("serve") }
        try await removal(of: id)
    }

    public func failureIsSeen() async throws {
        let before = try await backend.events(since: nil)
        let id = try await create("fail")
        try await install(.fail, id)
        try await backend.start(id)
        var seen: [ContainerEvent] = []
        for try await event in before where event.containerID == id {
            seen.append(event)
            if event.action == .die { break }
        }
        try expect(seen.map(\.action).contains(.start), "a start is an event")
        try expect(seen.last?.exitCode == 3, "a death carries its exit code")
        try expect(WorkspaceLabels(seen.last?.labels ?? [:], of: instance)?.workspace == workspace.id, "a death carries the labels")
        try await removal(of: id)
    }

    public func absenceIsNoFailure() async throws {
        try expect(try await backend.container("berth-contract-nobody") == nil, "a container that is not there is nil")
        try await backend.removeContainer("berth-contract-nobody")
        try await backend.stop("berth-contract-nobody", grace: .seconds(1))
        try expect(try await backend.details(of: "berth-contract-nobody") == nil, "what is not there has no details")
        try expect(try await backend.file("/a", of: "berth-contract-nobody") == nil, "what is not there has no files")
        try await expectError(.containerMissing, .missing) { try await backend.start("berth-contract-nobody") }
        try await expectError(.containerMissing, .missing) { _ = try await backend.logs(of: "berth-contract-nobody", LogOptions()) }
        let file = ContainerFile(path: "a", bytes: [])
        try await expectError(.containerMissing, .missing) { try await backend.copy([file], into: "berth-contract-nobody", at: "/configs") }
        var spec = spec("noimage")
        spec.image = "berth-contract/nowhere:1"
        try await expectError(.imageNotFound, .missing) { _ = try await backend.createContainer(spec) }
    }

    // MARK: - Parts

    func volume(_ suffix: String) -> String { "ws-\(workspace.id.prefix12)-\(suffix)" }

    func spec(_ suffix: String) -> ContainerSpec {
        var spec = ContainerSpec(
            name: "ws-\(workspace.id.prefix12)-\(suffix)", image: image, labels: WorkspaceLabels(workspace: workspace))
        spec.mounts = [.volume(name: volume("configs"), at: "/configs")]
        spec.environment = [EnvironmentVariable("GREETING", "old"), EnvironmentVariable("GREETING", "ready")]
        spec.memoryBytes = 64 << 20
        spec.nanoCPUs = 64_000_000_000
        spec.pidsLimit = 64
        spec.keptCapabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID", "KILL"]
        return spec
    }

    func create(_ suffix: String) async throws -> String {
        var spec = spec(suffix)
        let network = try await backend.ensureNetwork()
        spec.network = network
        spec.extraHosts = ["host.docker.internal": network.gateway]
        try await backend.createVolume(volume("configs"), labels: spec.labels)
        return try await backend.createContainer(spec)
    }

    func facts(_ id: String) async throws -> ContainerFacts {
        guard let facts = try await backend.container(id) else { throw ContractBreach("a container that was made is found by its id") }
        return facts
    }

    func listings(name id: String) async throws {
        try expect(try await backend.containers(of: workspace.id).map(\.id) == [id], "it is listed by its workspace")
        try expect(try await backend.containers().contains { $0.id == id }, "it is listed by its installation")
    }

    func expectLog(of id: String) async throws {
        var streams: Set<LogChunk.Stream> = []
        var text = ""
        for try await chunk in try await backend.logs(of: id, LogOptions(follow: true)) {
            streams.insert(chunk.stream)
            text += String(decoding: chunk.bytes, as: UTF8.self)
            if text.contains("ready"), text.contains("warned") { break }
        }
        try expect(streams == [.output, .error], "both streams of the log are told apart")
    }

    func expectVolumeInUse() async throws {
        try await expectError(.volumeInUse, .conflict) { try await backend.removeVolume(volume("configs")) }
    }

    func removal(of id: String) async throws {
        try await backend.removeContainer(id)
        try await backend.removeContainer(id)
        try expect(try await backend.container(id) == nil, "a removed container is gone, and removing it again is success")
        try await backend.removeVolume(volume("configs"))
    }

    func expectError(_ code: ErrorCode, _ kind: BackendError.Kind, _ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let error as BackendError {
            try expect(error.code == code && error.kind == kind, "\(error.code.rawValue) is \(code.rawValue)")
            return
        }
        throw ContractBreach("\(code.rawValue) is thrown")
    }

    func expect(_ holds: Bool, _ sentence: String) throws {
        guard holds else { throw ContractBreach(sentence) }
    }
}

/// A sentence of the contract that does not hold.
public struct ContractBreach: Error, Sendable, CustomStringConvertible {
    public let sentence: String
    public init(_ sentence: String) { self.sentence = sentence }
    public var description: String { "it does not hold that \(sentence)" }
}
