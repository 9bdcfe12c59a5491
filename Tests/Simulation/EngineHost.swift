import Model

/// One engine, as the machine has it: containers and volumes of whoever made them. It keeps the rules of a real one; who may ask for what
/// is the business of `Watchman`.
final class EngineHost: @unchecked Sendable {
    struct Agent {
        enum Mode { case well, silent, neverComes }

        var mode = Mode.well
        var hasRegistered = false
        var nextAt: Timestamp
        var isCalling = false
    }

    struct Box {
        var facts: ContainerFacts
        var spec: ContainerSpec?
        /// Files that are in no volume.
        var files: [String: [UInt8]] = [:]
        /// Somebody stopped it by hand or by call: the engine does not start it again.
        var stopped = false
        /// The engine lost its task and cannot start it any more.
        var stuck = false
        var agent: Agent?
        /// Put here by the world as nobody's workspace.
        var decoy = false

        var isUp: Bool { facts.state == .running || facts.state == .paused }
        func mounts(_ volume: String) -> Bool {
            spec?.mounts.contains { if case .volume(volume, _) = $0 { true } else { false } } ?? false
        }
    }

    struct Volume {
        let name: String
        let labels: [String: String]
        let createdAt: Timestamp
        var files: [String: [UInt8]] = [:]
        /// An agent worked here: what is in it is somebody's.
        var lived = false
    }

    struct Reader {
        let number: Int
        let instance: InstanceID
        let continuation: AsyncThrowingStream<ContainerEvent, any Error>.Continuation
    }

    let stage: Stage
    var boxes: [Box] = []
    var volumes: [Volume] = []
    var images: Set<String> = []
    var pullable: Set<String> = []
    var readers: [Reader] = []
    var history: [ContainerEvent] = []
    var isUp = true
    var weather = Weather.calm
    var watchman: Watchman?
    /// New agents come soon and stay.
    var isKind = false
    private var nextBox = 0
    private var nextPort = 32_768

    init(_ stage: Stage) { self.stage = stage }

    func index(_ id: String) -> Int? { boxes.firstIndex { $0.facts.id == id } }
    func volumeIndex(_ name: String) -> Int? { volumes.firstIndex { $0.name == name } }

    func newID() -> String {
        nextBox += 1
        let digits = String(nextBox)
        return "c" + String(repeating: "0", count: max(0, 11 - digits.count)) + digits
    }
}

// MARK: - What happens to containers

extension EngineHost {
    func add(_ spec: ContainerSpec, labels: [String: String]) throws -> String {
        guard images.contains(spec.image) else { throw BackendError(.missing, .imageNotFound, "no such image: \(spec.image)") }
        guard !boxes.contains(where: { $0.facts.name == spec.name }) else {
            throw BackendError(.conflict, .nameConflict, "the name \(spec.name) is taken")
        }
        var facts = ContainerFacts(id: newID(), name: spec.name, labels: labels, state: .created)
        facts.image = spec.image
        facts.imageID = "sha256:\(spec.image)"
        facts.hostname = facts.id
        facts.createdAt = stage.now
        boxes.append(Box(facts: facts, spec: spec))
        tell(.create, boxes[boxes.count - 1])
        return facts.id
    }

    func start(_ index: Int) throws {
        guard !boxes[index].isUp, boxes[index].facts.state != .restarting else { return }
        guard !boxes[index].stuck else {
            boxes[index].facts.engineError = "task \(boxes[index].facts.id): already exists"
            throw BackendError(.failed, .startFailed, "task \(boxes[index].facts.id): already exists")
        }
        boxes[index].stopped = false
        run(index)
        stage.note("\(boxes[index].facts.name) \(boxes[index].facts.id) runs")
        guard boxes[index].spec?.image == World.failingImage else { return }
        die(index, exitCode: 3, restarts: true)
    }

    /// It runs, on a port of its own, and its agent will come in a while, or not at all.
    func run(_ index: Int) {
        nextPort += 1
        boxes[index].facts.state = .running
        boxes[index].facts.exitCode = 0
        boxes[index].facts.startedAt = stage.now
        boxes[index].facts.agentURL = "http://127.0.0.1:\(nextPort)"
        boxes[index].facts.addresses = ["172.30.0.\(nextPort % 250 + 2)"]
        boxes[index].agent = newAgent()
        tell(.start, boxes[index])
        watchman?.afterStart(of: boxes[index])
    }

    private func newAgent() -> Agent {
        if isKind { return Agent(nextAt: stage.now + .seconds(3)) }
        let slow = stage.dice.chance(perMille: 50)
        let seconds = slow ? stage.dice.roll(60...900) : stage.dice.roll(1...8)
        var agent = Agent(nextAt: stage.now + .seconds(seconds))
        if stage.dice.chance(perMille: 30) { agent.mode = .neverComes }
        return agent
    }

    /// Its program ends. The engine starts it again after a moment, unless somebody stopped it.
    func die(_ index: Int, exitCode: Int, restarts: Bool, outOfMemory: Bool = false) {
        guard boxes[index].isUp || boxes[index].facts.state == .restarting else { return }
        let restarts = restarts && !boxes[index].stopped
        boxes[index].facts.state = restarts ? .restarting : .exited
        boxes[index].facts.exitCode = exitCode
        boxes[index].facts.outOfMemory = outOfMemory
        boxes[index].facts.finishedAt = stage.now
        boxes[index].facts.agentURL = nil
        boxes[index].agent = nil
        tell(.die, boxes[index], exitCode: exitCode)
        guard restarts else { return }
        let id = boxes[index].facts.id
        let pause = min(100 << min(boxes[index].facts.restartCount, 9), 60_000)
        stage.later(.milliseconds(pause), "\(id) is started again by the engine") { [self] in startAgain(id) }
    }

    private func startAgain(_ id: String) {
        guard isUp, let index = index(id), boxes[index].facts.state == .restarting else { return }
        boxes[index].facts.restartCount += 1
        run(index)
        if boxes[index].spec?.image == World.failingImage { die(index, exitCode: 3, restarts: true) }
    }

    func stop(_ index: Int) {
        boxes[index].stopped = true
        guard boxes[index].isUp || boxes[index].facts.state == .restarting else { return }
        stage.note("\(boxes[index].facts.name) \(boxes[index].facts.id) stops")
        die(index, exitCode: 143, restarts: false)
    }

    func remove(_ index: Int) {
        stage.note("\(boxes[index].facts.name) \(boxes[index].facts.id) is removed")
        let box = boxes.remove(at: index)
        if box.isUp { tell(.die, box, exitCode: 137) }
        tell(.destroy, box)
    }

    func removeVolume(_ name: String) throws {
        guard let index = volumeIndex(name) else { return }
        guard !boxes.contains(where: { $0.mounts(name) }) else {
            throw BackendError(.conflict, .volumeInUse, "the volume \(name) is in use")
        }
        stage.note("volume \(name) is removed")
        volumes.remove(at: index)
    }

    /// Where a path of a container is kept: in the volume mounted there, or in the container.
    private func volume(at path: String, of box: Box) -> Int? {
        for mount in box.spec?.mounts ?? [] {
            if case .volume(let name, let directory) = mount, path.hasPrefix(directory + "/") { return volumeIndex(name) }
        }
        return nil
    }

    func write(_ bytes: [UInt8], at path: String, of index: Int) {
        if let volume = volume(at: path, of: boxes[index]) {
            volumes[volume].files[path] = bytes
        } else {
            boxes[index].files[path] = bytes
        }
    }

    func read(_ path: String, of index: Int) -> [UInt8]? {
        if let volume = volume(at: path, of: boxes[index]) { return volumes[volume].files[path] }
        return boxes[index].files[path]
    }
}

// MARK: - Events and outages

extension EngineHost {
    func tell(_ action: ContainerEvent.Action, _ box: Box, exitCode: Int? = nil) {
        let event = ContainerEvent(
            action: action, containerID: box.facts.id, labels: box.facts.labels, exitCode: exitCode, at: stage.now)
        history.append(event)
        if history.count > 256 { history.removeFirst(128) }
        for reader in readers where box.facts.labels[WorkspaceLabels.instance] == reader.instance.text { deliver(event, reader) }
    }

    private func deliver(_ event: ContainerEvent, _ reader: Reader) {
        if stage.dice.chance(perMille: weather.lostEvents) {
            stage.tally.count("fault of the events", "lost")
            return
        }
        if stage.dice.chance(perMille: weather.delayedEvents) {
            stage.tally.count("fault of the events", "delayed")
            stage.later(.milliseconds(stage.dice.roll(1...20_000)), "a \(event.action) event comes late") {
                reader.continuation.yield(event)
            }
        } else {
            reader.continuation.yield(event)
        }
        guard stage.dice.chance(perMille: weather.doubledEvents) else { return }
        stage.tally.count("fault of the events", "doubled")
        reader.continuation.yield(event)
    }

    func breakStreams() {
        let open = readers
        readers = []
        for reader in open {
            reader.continuation.finish(throwing: BackendError(.unavailable, .engineUnavailable, "the engine went away"))
        }
    }

    /// The engine goes away; with `killing`, so do the containers' programs.
    func goDown(killing: Bool) {
        isUp = false
        breakStreams()
        guard killing else { return }
        for index in boxes.indices where !boxes[index].decoy && (boxes[index].isUp || boxes[index].facts.state == .restarting) {
            boxes[index].facts.state = .exited
            boxes[index].facts.exitCode = 137
            boxes[index].facts.finishedAt = stage.now
            boxes[index].facts.agentURL = nil
            boxes[index].agent = nil
        }
    }

    /// It is back, and starts again what nobody stopped. A task of the time before may be in the way for good.
    func comeUp(sticking: Bool) {
        isUp = true
        for index in boxes.indices where !boxes[index].isUp {
            if boxes[index].facts.state == .restarting { boxes[index].facts.state = .exited }
            if sticking, stage.dice.chance(perMille: 400), boxes[index].spec != nil {
                boxes[index].stuck = true
                stage.tally.count("fault of the engine", "stuck task")
            } else if !boxes[index].stopped, boxes[index].facts.startedAt != nil, !boxes[index].stuck {
                run(index)
            }
        }
    }
}
