/// Why an engine did not do what was asked. `unavailable` proves nothing about the containers: callers treat it as unknown.
public struct BackendError: CodedError, Equatable {
    public enum Kind: Sendable, Equatable {
        /// The engine cannot be reached, or did not answer in time.
        case unavailable
        /// The engine answered and refused: asking again unchanged gives the same answer.
        case refused
        /// The thing asked for is not there.
        case missing
        /// The thing asked for is there already, or in use.
        case conflict
        /// The engine failed on its side.
        case failed
    }

    public let kind: Kind
    public let code: ErrorCode
    public let message: String
    public let next: String?
    public let details: JSONObject

    public init(_ kind: Kind, _ code: ErrorCode, _ message: String, next: String? = nil, details: JSONObject = JSONObject()) {
        self.kind = kind
        self.code = code
        self.message = message
        self.next = next
        self.details = details
    }
}

/// What an engine says of itself.
public struct EngineFacts: Sendable, Hashable {
    public let version: String
    public let apiVersion: String
    public let operatingSystem: String

    public init(version: String, apiVersion: String, operatingSystem: String) {
        self.version = version
        self.apiVersion = apiVersion
        self.operatingSystem = operatingSystem
    }
}

/// The network workspaces share, by id: names can be ambiguous on an engine.
public struct WorkspaceNetwork: Sendable, Hashable {
    public let id: String
    public let name: String
    /// The address containers reach this host at, and where the agents' door listens.
    public let gateway: String

    public init(id: String, name: String, gateway: String) {
        self.id = id
        self.name = name
        self.gateway = gateway
    }
}

public struct ImageFacts: Sendable, Hashable {
    public let id: String
    public let digests: [String]
    /// Its tags on this engine, whoever gave them.
    public let names: [String]
    /// What the image sets in every container made from it.
    public let environment: [EnvironmentVariable]
    public let sizeBytes: Int64

    public init(
        id: String, digests: [String], names: [String] = [], environment: [EnvironmentVariable] = [], sizeBytes: Int64 = 0
    ) {
        self.id = id
        self.digests = digests
        self.names = names
        self.environment = environment
        self.sizeBytes = sizeBytes
    }

    /// The digest by which the reference's own registry knows it; nil when it was built here.
    public func digest(in reference: ImageReference) -> String? {
        digests.map { ImageReference($0) }.first { $0.name == reference.name }?.tag
    }
}

/// How far a pull is. Bytes count compressed layers; `totalBytes` grows as layers are announced.
public struct PullProgress: Sendable, Hashable {
    public let status: String
    public let doneBytes: Int64
    public let totalBytes: Int64
    /// Layers that are complete, and those announced so far.
    public let layersDone: Int
    public let layersTotal: Int

    public init(status: String, doneBytes: Int64, totalBytes: Int64, layersDone: Int = 0, layersTotal: Int = 0) {
        self.status = status
        self.doneBytes = doneBytes
        self.totalBytes = totalBytes
        self.layersDone = layersDone
        self.layersTotal = layersTotal
    }
}

/// The labels on everything we make: ownership is written on the thing, and a row can be rebuilt from them alone.
public struct WorkspaceLabels: Sendable, Hashable {
    public static let managed = "molecule.platform.managed"
    public static let instance = "molecule.platform.instance"
    public static let workspaceID = "molecule.workspace.id"
    public static let name = "molecule.workspace.name"
    public static let runtime = "molecule.workspace.runtime"
    public static let template = "molecule.workspace.template"
    public static let tier = "molecule.workspace.tier"
    public static let parent = "molecule.workspace.parent"
    public static let generation = "molecule.workspace.generation"

    public var workspace: WorkspaceID
    public var workspaceName: String
    public var runtimeName: String
    public var templateID: String
    public var tierNumber: Int
    public var parentID: WorkspaceID?
    public var generationNumber: Int

    public init(workspace: Workspace) {
        self.workspace = workspace.id
        workspaceName = workspace.name
        runtimeName = workspace.runtime
        templateID = workspace.template ?? ""
        tierNumber = workspace.tier
        parentID = workspace.parentID
        generationNumber = workspace.generation
    }

    /// Reads labels back; nil when they do not name a workspace of `instance`.
    public init?(_ labels: [String: String], of instance: InstanceID) {
        guard labels[Self.managed] == "true", labels[Self.instance] == instance.text,
            let id = labels[Self.workspaceID].flatMap(WorkspaceID.init)
        else { return nil }
        workspace = id
        workspaceName = labels[Self.name] ?? id.text
        runtimeName = labels[Self.runtime] ?? ""
        templateID = labels[Self.template] ?? ""
        tierNumber = labels[Self.tier].flatMap { Int($0) } ?? 2
        parentID = labels[Self.parent].flatMap(WorkspaceID.init)
        generationNumber = labels[Self.generation].flatMap { Int($0) } ?? 0
    }

    public func dictionary(for instance: InstanceID) -> [String: String] {
        [
            Self.managed: "true", Self.instance: instance.text, Self.workspaceID: workspace.text, Self.name: workspaceName,
            Self.runtime: runtimeName, Self.template: templateID, Self.tier: String(tierNumber), Self.parent: parentID?.text ?? "",
            Self.generation: String(generationNumber),
        ]
    }
}

public struct EnvironmentVariable: Sendable, Hashable {
    public let name: String
    public let value: String

    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// A container to be made. Sizes are bytes; CPU is billionths of one processor.
public struct ContainerSpec: Sendable, Hashable {
    public enum Mount: Sendable, Hashable {
        case volume(name: String, at: String)
        case bind(hostPath: String, at: String, readOnly: Bool)
    }

    public var name: String
    public var image: String
    public var platform: String?
    public var labels: WorkspaceLabels
    /// Later values win.
    public var environment: [EnvironmentVariable] = []
    public var mounts: [Mount] = []
    public var network: WorkspaceNetwork?
    public var hostNetwork = false
    public var hostProcesses = false
    public var privileged = false
    public var readOnlyRoot = false
    /// Path -> mount options.
    public var temporaryFileSystems: [String: String] = [:]
    /// nil keeps the engine's defaults; otherwise everything but these is dropped.
    public var keptCapabilities: [String]?
    public var noNewPrivileges = true
    public var memoryBytes: Int64 = 0
    public var nanoCPUs: Int64 = 0
    public var pidsLimit: Int = 0
    /// Host names resolved inside: name -> address.
    public var extraHosts: [String: String] = [:]
    /// Published to an ephemeral port of 127.0.0.1.
    public var agentPort: Int = 8000

    public init(name: String, image: String, labels: WorkspaceLabels) {
        self.name = name
        self.image = image
        self.labels = labels
    }
}

/// A container as the engine reports it.
public struct ContainerFacts: Sendable, Hashable {
    public enum State: String, Sendable { case created, running, restarting, paused, exited, dead, removing, unknown }

    public var id: String
    public var name: String
    public var labels: [String: String]
    public var image: String
    public var imageID: String
    public var state: State
    public var exitCode: Int
    public var outOfMemory: Bool
    public var restartCount: Int
    public var engineError: String
    public var hostname: String
    public var createdAt: Timestamp?
    public var startedAt: Timestamp?
    public var finishedAt: Timestamp?
    /// `http://127.0.0.1:<port>` of the published agent port, when there is one.
    public var agentURL: String?
    /// Addresses on its networks.
    public var addresses: [String]

    public init(id: String, name: String, labels: [String: String], state: State) {
        self.id = id
        self.name = name
        self.labels = labels
        self.state = state
        image = ""
        imageID = ""
        exitCode = 0
        outOfMemory = false
        restartCount = 0
        engineError = ""
        hostname = ""
        addresses = []
    }
}

/// Everything `inspect` shows of a container beyond its facts.
public struct ContainerDetails: Sendable, Hashable {
    public struct MountFacts: Sendable, Hashable {
        /// `volume` or `bind`.
        public let type: String
        /// The volume's name, or the directory of the host.
        public let source: String
        public let target: String
        public let readOnly: Bool

        public init(type: String, source: String, target: String, readOnly: Bool) {
            self.type = type
            self.source = source
            self.target = target
            self.readOnly = readOnly
        }
    }

    public struct PortFacts: Sendable, Hashable {
        /// For example `8000/tcp`.
        public let container: String
        public let hostAddress: String
        public let hostPort: Int

        public init(container: String, hostAddress: String, hostPort: Int) {
            self.container = container
            self.hostAddress = hostAddress
            self.hostPort = hostPort
        }
    }

    public var facts: ContainerFacts
    /// `name@sha256:...` of the image, as the registry knows it; empty for an image that was built here.
    public var imageDigests: [String] = []
    public var memoryBytes: Int64 = 0
    public var nanoCPUs: Int64 = 0
    public var pidsLimit: Int64 = 0
    public var restartPolicy = ""
    public var mounts: [MountFacts] = []
    public var ports: [PortFacts] = []
    /// With values, some of them secrets: it never leaves the daemon.
    public var environment: [EnvironmentVariable] = []
    /// The part of it that comes from the image.
    public var imageEnvironment: [EnvironmentVariable] = []

    public init(facts: ContainerFacts) { self.facts = facts }
}

/// A volume of ours.
public struct VolumeFacts: Sendable, Hashable {
    public let name: String
    public let labels: [String: String]
    public let createdAt: Timestamp?

    public init(name: String, labels: [String: String], createdAt: Timestamp?) {
        self.name = name
        self.labels = labels
        self.createdAt = createdAt
    }
}

public struct LogOptions: Sendable, Hashable {
    /// The last so many lines; nil means all.
    public var tail: Int?
    public var since: Timestamp?
    public var follow: Bool

    public init(tail: Int? = nil, since: Timestamp? = nil, follow: Bool = false) {
        self.tail = tail
        self.since = since
        self.follow = follow
    }
}

public struct LogChunk: Sendable, Hashable {
    public enum Stream: Sendable { case output, error }

    public let stream: Stream
    public let bytes: [UInt8]

    public init(stream: Stream, bytes: [UInt8]) {
        self.stream = stream
        self.bytes = bytes
    }
}

/// Something the engine reports about a container of ours.
public struct ContainerEvent: Sendable, Hashable {
    public enum Action: String, Sendable { case create, start, die, oom, destroy, stop, kill, restart, pause, unpause }

    public let action: Action
    public let containerID: String
    public let labels: [String: String]
    public let exitCode: Int?
    /// The engine's own time of the event.
    public let at: Timestamp

    public init(action: Action, containerID: String, labels: [String: String], exitCode: Int?, at: Timestamp) {
        self.action = action
        self.containerID = containerID
        self.labels = labels
        self.exitCode = exitCode
        self.at = at
    }
}

public protocol EngineProbing: Sendable {
    /// Asks the engine itself, with a deadline of seconds. Throws `BackendError`.
    func probe() async throws -> EngineFacts
}

public protocol NetworkEnsuring: Sendable {
    /// The workspace network, made when it is not there. Safe to call at any time, by several tasks at once.
    func ensureNetwork() async throws -> WorkspaceNetwork
}

public protocol ImageStoring: Sendable {
    func image(_ reference: String) async throws -> ImageFacts?
    /// Pulls until the engine says it is done. Stalls are cut by the configured silence, never a pull that still moves.
    func pull(_ reference: String, progress: @escaping @Sendable (PullProgress) -> Void) async throws
    /// Gives the image one more name, and takes it from whichever image had it. Throws `image_not_found`.
    func tag(_ image: String, as reference: String) async throws
    /// Removes a name, and with its last one the image. False when a container needs it: then it stays. Success when it is gone already.
    func removeImage(_ reference: String) async throws -> Bool
    /// Bytes that can still be written where the engine keeps its data; nil when it cannot be told.
    func freeBytes() async throws -> Int64?
}

public protocol ContainerMaking: Sendable {
    func createVolume(_ name: String, labels: WorkspaceLabels) async throws
    /// Makes the container, not started. Returns its id.
    func createContainer(_ spec: ContainerSpec) async throws -> String
    /// Copies into a container that may never have run. Files belong to 1000:1000.
    func copy(_ files: [ContainerFile], into containerID: String, at directory: String) async throws
    /// Success when it is running already.
    func start(_ containerID: String) async throws
    /// In any state. Throws `name_conflict`.
    func rename(_ containerID: String, to name: String) async throws
}

public protocol ContainerStopping: Sendable {
    /// Ends it and keeps the engine from starting it again: SIGTERM, and SIGKILL when `grace` is over. Success when it does not run, or is
    /// gone.
    func stop(_ containerID: String, grace: Duration) async throws
}

public protocol ContainerRemoving: Sendable {
    /// Kills and removes. Success when it is gone already.
    func removeContainer(_ containerID: String) async throws
    /// Success when it is gone already. Throws `volume_in_use` when a container still holds it.
    func removeVolume(_ name: String) async throws
}

public protocol ContainerReading: Sendable {
    /// Containers of this installation, in any state. Of a running one only id, name, labels, state, image, address and time of creation
    /// are sure; `container` has the rest.
    func containers() async throws -> [ContainerFacts]
    /// Containers of one workspace of this installation, in any state.
    func containers(of workspace: WorkspaceID) async throws -> [ContainerFacts]
    /// nil when there is none.
    func container(_ id: String) async throws -> ContainerFacts?
    /// Names of the volumes labelled with this workspace.
    func volumes(of workspace: WorkspaceID) async throws -> [String]
    func logs(of containerID: String, _ options: LogOptions) async throws -> AsyncThrowingStream<LogChunk, any Error>
    /// Events of this installation's containers from now on (or from `since`); ends with an error when the engine goes away.
    func events(since: Timestamp?) async throws -> AsyncThrowingStream<ContainerEvent, any Error>
}

/// Closer looks than a pass over all containers needs.
public protocol ContainerSurveying: Sendable {
    /// Every volume of this installation.
    func volumes() async throws -> [VolumeFacts]
    /// nil when there is no such container.
    func details(of containerID: String) async throws -> ContainerDetails?
    /// The content of one small file (64 KiB at most) of a container in any state; nil when there is no such file or container.
    func file(_ path: String, of containerID: String) async throws -> [UInt8]?
    /// Containers on this engine that look like workspaces (by name, or by another installation's labels) and are not ours.
    func strangers() async throws -> [ContainerFacts]
}

/// Everything a place that runs workspaces can do. The local engine and the fake both pass `EngineContractTests`.
public typealias WorkspaceBackend = EngineProbing & NetworkEnsuring & ImageStoring & ContainerMaking & ContainerStopping & ContainerRemoving
    & ContainerReading & ContainerSurveying
