public import Model
import Synchronization

/// An engine in memory: it keeps the rules of a real one (names are taken once, volumes in use stay, what is gone is gone, files in a volume
/// outlive their container, a stop is for good), counts its calls, and fails or hangs where `faults` says. Containers of other owners can be
/// put beside ours, and the whole engine can go down and come back. Time moves only with its clock; restarts happen only when a test says
/// so (`restart`).
public final class FakeEngine: Sendable {
    public struct Box: Sendable {
        public var facts: ContainerFacts
        public var spec: ContainerSpec
        public var files: [String: ContainerFile] = [:]
        public var log: [LogChunk] = []
        public var everStarted = false
        /// Every start fails until it is removed, as after a crash of the engine in the middle of a start.
        public var startStuck = false
        /// Somebody stopped it since its last start: the engine does not start it again.
        public var stoppedByHand = false
    }

    /// What a container does when it is started.
    public enum Behaviour: Sendable {
        case serve
        case exit(code: Int, restarts: Bool)
        case exhaustMemory
    }

    struct Volume {
        let labels: [String: String]
        let createdAt: Timestamp
        /// By path below the volume's root.
        var files: [String: ContainerFile] = [:]
    }

    struct State {
        var down = false
        var network: WorkspaceNetwork?
        var images: [String: ImageFacts] = [:]
        /// Reference -> the digest that its registry names now.
        var pullable: [String: String] = [:]
        var freeBytes: Int64?
        var volumes: [String: Volume] = [:]
        var boxes: [String: Box] = [:]
        var behaviours: [String: Behaviour] = [:]
        var nextNumber = 0
        var nextPort = 32768
        var history: [ContainerEvent] = []
        var watchers: [Int: AsyncThrowingStream<ContainerEvent, any Error>.Continuation] = [:]
        var logReads: [LogOptions] = []
    }

    public let faults = FaultScript()
    public let instance: InstanceID
    let clock: any TimeSource
    let state = Mutex(State())

    public init(instance: InstanceID, clock: any TimeSource) {
        self.instance = instance
        self.clock = clock
    }
}

// MARK: - What a test arranges and looks at

extension FakeEngine {
    public func addImage(_ reference: String, environment: [EnvironmentVariable] = []) {
        let image = ImageFacts(id: "sha256:\(reference)", digests: ["\(reference)@sha256:0"], environment: environment)
        state.withLock { $0.images[reference] = image }
    }

    /// Built on this engine: no registry knows it.
    public func addLocalImage(_ reference: String, id: String) {
        state.withLock { state in
            for name in [reference, id] { state.images[name] = ImageFacts(id: id, digests: []) }
        }
    }

    /// The registry has it; a pull brings it here. A pull by any digest always succeeds.
    public func offerForPull(_ reference: String, digest: String = "sha256:0") { state.withLock { $0.pullable[reference] = digest } }

    public func setFreeBytes(_ bytes: Int64?) { state.withLock { $0.freeBytes = bytes } }

    /// Somebody gives an image a tag of their own.
    public func name(_ id: String, _ tag: String) {
        state.withLock { state in
            guard let image = state.images.values.first(where: { $0.id == id }) else { return }
            let named = ImageFacts(id: id, digests: image.digests, names: [tag], environment: image.environment)
            for (key, other) in state.images where other.id == id { state.images[key] = named }
            state.images[tag] = named
        }
    }

    public func hasImage(id: String) -> Bool { state.withLock { $0.images.values.contains { $0.id == id } } }

    public func imageID(_ reference: String) -> String? { state.withLock { $0.images[reference]?.id } }

    /// Containers of `image` do this from their next start on.
    public func behave(_ behaviour: Behaviour, image: String) { state.withLock { $0.behaviours[image] = behaviour } }

    /// What the named container has in its log.
    public func write(_ text: String, to containerID: String, _ stream: LogChunk.Stream = .output) {
        state.withLock { $0.boxes[containerID]?.log.append(LogChunk(stream: stream, bytes: Array(text.utf8))) }
    }

    /// The file is no longer in the container.
    public func forget(_ path: String, of containerID: String) { state.withLock { $0.boxes[containerID]?.files[path] = nil } }

    /// A container that is not ours, under any name. Returns its id.
    @discardableResult
    public func addForeign(name: String, labels: [String: String] = [:]) -> String {
        state.withLock { state in
            let id = Self.newID(&state)
            let workspace = Workspace(
                id: WorkspaceID(random: SeededRandom(seed: 1)), name: name, runtime: "", condition: .init(.online), createdAt: clock.now())
            var facts = ContainerFacts(id: id, name: name, labels: labels, state: .running)
            facts.createdAt = clock.now()
            facts.startedAt = clock.now()
            state.boxes[id] = Box(
                facts: facts, spec: ContainerSpec(name: name, image: "", labels: WorkspaceLabels(workspace: workspace)))
            return id
        }
    }

    public var boxes: [Box] { state.withLock { $0.boxes.values.sorted { $0.facts.id < $1.facts.id } } }
    public func boxes(of id: WorkspaceID) -> [Box] { boxes.filter { $0.facts.labels[WorkspaceLabels.workspaceID] == id.text } }
    /// What readers of logs asked for.
    public var logReads: [LogOptions] { state.withLock { $0.logReads } }
    public var volumeNames: [String] { state.withLock { $0.volumes.keys.sorted() } }
    public var watcherCount: Int { state.withLock { $0.watchers.count } }
    public var isDown: Bool { state.withLock { $0.down } }
    /// Everything that was reported since the engine came up last.
    public var history: [ContainerEvent] { state.withLock { $0.history } }
}

extension FakeEngine {
    static func newID(_ state: inout State) -> String {
        state.nextNumber += 1
        let digits = String(state.nextNumber)
        return "c" + String(repeating: "0", count: max(0, 11 - digits.count)) + digits
    }

    static func event(_ action: ContainerEvent.Action, _ box: Box, exitCode: Int? = nil, at: Timestamp) -> ContainerEvent {
        ContainerEvent(action: action, containerID: box.facts.id, labels: box.facts.labels, exitCode: exitCode, at: at)
    }

    func send(_ events: [ContainerEvent]) {
        guard !events.isEmpty else { return }
        state.withLock { state in
            state.history += events
            for watcher in state.watchers.values { for event in events { watcher.yield(event) } }
        }
    }

    /// A call as the engine sees it: planned faults first, then nobody answers while it is down.
    func call<Answer: Sendable>(_ name: String, _ work: @escaping @Sendable () throws -> Answer) async throws -> Answer {
        try await faults.perform(name) { [self] in
            guard !isDown else { throw Self.unavailable }
            return try work()
        }
    }

    static let unavailable = BackendError(.unavailable, .engineUnavailable, "the fake engine is down")

    /// Ours by the labels everything of this installation carries, as the real engine filters.
    func isOurs(_ labels: [String: String]) -> Bool {
        labels[WorkspaceLabels.managed] == "true" && labels[WorkspaceLabels.instance] == instance.text
    }
}
