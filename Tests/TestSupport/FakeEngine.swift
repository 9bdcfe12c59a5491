public import Model
import Synchronization

/// An engine in memory: it keeps the rules of a real one (names are taken once, volumes in use stay, what is gone is gone), counts its
/// calls, and fails or hangs where `faults` says. Containers of other owners can be put beside ours.
public final class FakeEngine: Sendable {
    public struct Box: Sendable {
        public var facts: ContainerFacts
        public var spec: ContainerSpec
        public var files: [String: ContainerFile] = [:]
        public var log: [LogChunk] = []
        public var everStarted = false
    }

    /// What a container does when it is started.
    public enum Behaviour: Sendable {
        case serve
        case exit(code: Int, restarts: Bool)
        case exhaustMemory
    }

    struct State {
        var network: WorkspaceNetwork?
        var images: [String: ImageFacts] = [:]
        var pullable: Set<String> = []
        var volumes: [String: [String: String]] = [:]
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
    public func addImage(_ reference: String) {
        state.withLock { $0.images[reference] = ImageFacts(id: "sha256:\(reference)", digests: ["\(reference)@sha256:0"]) }
    }

    /// The registry has it; a pull brings it here.
    public func offerForPull(_ reference: String) { state.withLock { _ = $0.pullable.insert(reference) } }

    /// Containers of `image` do this from their next start on.
    public func behave(_ behaviour: Behaviour, image: String) { state.withLock { $0.behaviours[image] = behaviour } }

    /// What the named container has in its log.
    public func write(_ text: String, to containerID: String, _ stream: LogChunk.Stream = .output) {
        state.withLock { $0.boxes[containerID]?.log.append(LogChunk(stream: stream, bytes: Array(text.utf8))) }
    }

    /// The file is no longer in the container.
    public func forget(_ path: String, of containerID: String) { state.withLock { $0.boxes[containerID]?.files[path] = nil } }

    /// A container that is not ours, under any name.
    public func addForeign(name: String, labels: [String: String] = [:]) {
        state.withLock { state in
            let id = Self.newID(&state)
            let workspace = Workspace(
                id: WorkspaceID(random: SeededRandom(seed: 1)), name: name, runtime: "", condition: .init(.online), createdAt: clock.now())
            state.boxes[id] = Box(
                facts: ContainerFacts(id: id, name: name, labels: labels, state: .running),
                spec: ContainerSpec(name: name, image: "", labels: WorkspaceLabels(workspace: workspace)))
        }
    }

    /// The container's program ends by itself.
    public func kill(_ containerID: String, exitCode: Int, restarts: Bool = false) {
        let event = state.withLock { Self.end($0.boxes[containerID]?.facts.id, exitCode, restarts: restarts, &$0, clock.now()) }
        send(event)
    }

    /// The engine starts it again, on another port, as real ones do.
    public func restart(_ containerID: String) {
        let event = state.withLock { state -> ContainerEvent? in
            state.nextPort += 1
            state.boxes[containerID]?.facts.agentURL = "http://127.0.0.1:\(state.nextPort)"
            state.boxes[containerID]?.facts.state = .running
            state.boxes[containerID]?.facts.exitCode = 0
            return state.boxes[containerID].map { Self.event(.start, $0, at: clock.now()) }
        }
        send(event)
    }

    public var boxes: [Box] { state.withLock { $0.boxes.values.sorted { $0.facts.id < $1.facts.id } } }
    public func boxes(of id: WorkspaceID) -> [Box] { boxes.filter { $0.facts.labels[WorkspaceLabels.workspaceID] == id.text } }
    /// What readers of logs asked for.
    public var logReads: [LogOptions] { state.withLock { $0.logReads } }
    public var volumeNames: [String] { state.withLock { $0.volumes.keys.sorted() } }
    public var watcherCount: Int { state.withLock { $0.watchers.count } }
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

    static func end(_ id: String?, _ exitCode: Int, restarts: Bool, _ state: inout State, _ now: Timestamp) -> ContainerEvent? {
        guard let id, var box = state.boxes[id] else { return nil }
        box.facts.state = restarts ? .restarting : .exited
        box.facts.exitCode = exitCode
        box.facts.finishedAt = now
        box.facts.agentURL = nil
        if restarts { box.facts.restartCount += 1 }
        state.boxes[id] = box
        return event(.die, box, exitCode: exitCode, at: now)
    }

    func send(_ event: ContainerEvent?) {
        guard let event else { return }
        let watchers = state.withLock { state in
            state.history.append(event)
            return Array(state.watchers.values)
        }
        for watcher in watchers { watcher.yield(event) }
    }

    func isOurs(_ box: Box) -> Bool { WorkspaceLabels(box.facts.labels, of: instance) != nil }
}
