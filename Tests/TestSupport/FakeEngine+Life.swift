public import Model
import Synchronization

/// How containers start and end, by themselves, by a caller, and with the engine.
extension FakeEngine: ContainerStopping {
    /// One that is running, or waits for its next restart, is success; a paused one is refused, as engines do.
    public func start(_ containerID: String) async throws {
        send(try await call("start") { [self] in try state.withLock { try begin(containerID, &$0) } })
    }

    private func begin(_ idOrName: String, _ state: inout State) throws -> [ContainerEvent] {
        guard var box = Self.find(idOrName, in: state) else { throw Self.noContainer(idOrName) }
        switch box.facts.state {
        case .running, .restarting: return []
        case .paused: throw BackendError(.conflict, .startFailed, "a paused container is not started")
        case .created, .exited, .dead, .removing, .unknown: break
        }
        guard !box.startStuck else { throw BackendError(.failed, .startFailed, "its task exists already") }
        box.facts.restartCount = 0
        return run(box, &state)
    }

    private func run(_ stopped: Box, _ state: inout State) -> [ContainerEvent] {
        var box = stopped
        state.nextPort += 1
        box.everStarted = true
        box.stoppedByHand = false
        box.facts.state = .running
        box.facts.exitCode = 0
        box.facts.outOfMemory = false
        box.facts.startedAt = clock.now()
        box.facts.agentURL = box.spec.hostNetwork ? nil : "http://127.0.0.1:\(state.nextPort)"
        box.facts.addresses = box.spec.hostNetwork ? [] : ["172.30.0.2"]
        state.boxes[box.facts.id] = box
        let started = Self.event(.start, box, at: clock.now())
        switch state.behaviours[box.facts.image] ?? state.behaviours[box.facts.imageID] ?? .serve {
        case .serve: return [started]
        case .exit(let code, let restarts): return [started] + end(box.facts.id, code, restarts: restarts, &state)
        case .exhaustMemory: return [started] + exhaustMemory(box.facts.id, restarts: false, &state)
        }
    }

    /// Ends it for good. SIGTERM ends the program at once: 143.
    public func stop(_ containerID: String, grace: Duration) async throws {
        send(
            try await call("stop") { [self] in
                state.withLock { state in
                    guard let box = Self.find(containerID, in: state) else { return [] }
                    return stop(box, exitCode: 143, &state)
                }
            })
    }

    /// What was waiting for a restart keeps the exit code it has: there is no process any more to be ended.
    private func stop(_ box: Box, exitCode: Int, _ state: inout State) -> [ContainerEvent] {
        let id = box.facts.id
        let kill = Self.event(.kill, box, at: clock.now())
        let stop = Self.event(.stop, box, at: clock.now())
        switch box.facts.state {
        case .running, .paused:
            state.boxes[id]?.stoppedByHand = true
            return [kill] + end(id, exitCode, restarts: false, &state) + [stop]
        case .restarting:
            state.boxes[id]?.stoppedByHand = true
            state.boxes[id]?.facts.state = .exited
            return [stop]
        case .created, .exited, .dead, .removing, .unknown: return []
        }
    }

    private func end(_ id: String, _ exitCode: Int, restarts: Bool, _ state: inout State) -> [ContainerEvent] {
        guard var box = state.boxes[id] else { return [] }
        box.facts.state = restarts ? .restarting : .exited
        box.facts.exitCode = exitCode
        box.facts.finishedAt = clock.now()
        box.facts.agentURL = nil
        box.facts.addresses = []
        if restarts { box.facts.restartCount += 1 }
        state.boxes[id] = box
        return [Self.event(.die, box, exitCode: exitCode, at: clock.now())]
    }

    private func exhaustMemory(_ id: String, restarts: Bool, _ state: inout State) -> [ContainerEvent] {
        guard let box = state.boxes[id] else { return [] }
        state.boxes[id]?.facts.outOfMemory = true
        return [Self.event(.oom, box, at: clock.now())] + end(id, 137, restarts: restarts, &state)
    }
}

// MARK: - What befalls containers

extension FakeEngine {
    /// The container's program ends by itself. With `restarts` the engine waits to start it again (`restart` lets it), as the policy
    /// `unless-stopped` has it; without, it stays down.
    public func kill(_ containerID: String, exitCode: Int, restarts: Bool = false) {
        send(state.withLock { end(containerID, exitCode, restarts: restarts, &$0) })
    }

    /// The kernel ends a running container for want of memory, and the engine waits to start it again.
    public func exhaustMemory(of containerID: String) {
        send(
            state.withLock { state in
                state.boxes[containerID]?.facts.state == .running ? exhaustMemory(containerID, restarts: true, &state) : []
            })
    }

    /// Somebody types `docker kill`: by hand, so no restart follows.
    public func killByHand(_ containerID: String) {
        send(
            state.withLock { state in
                guard let box = state.boxes[containerID], box.facts.state == .running else { return [] }
                state.boxes[containerID]?.stoppedByHand = true
                return [Self.event(.kill, box, at: clock.now())] + end(containerID, 137, restarts: false, &state)
            })
    }

    /// The engine starts it again, on another port, as real ones do; never one that was stopped by hand. It behaves as on every start.
    public func restart(_ containerID: String) {
        send(
            state.withLock { state in
                guard !state.down, let box = state.boxes[containerID], !box.stoppedByHand, box.facts.state != .created else { return [] }
                return run(box, &state)
            })
    }

    /// Every start of it fails with `start_failed` until it is removed and made again.
    public func stickStart(of containerID: String) { state.withLock { $0.boxes[containerID]?.startStuck = true } }

    /// Somebody types `docker pause` and `docker unpause`.
    public func pause(_ containerID: String) { change(containerID, from: .running, to: .paused, .pause) }
    public func unpause(_ containerID: String) { change(containerID, from: .paused, to: .running, .unpause) }

    private func change(_ id: String, from old: ContainerFacts.State, to new: ContainerFacts.State, _ action: ContainerEvent.Action) {
        send(
            state.withLock { state in
                guard let box = state.boxes[id], box.facts.state == old else { return [] }
                state.boxes[id]?.facts.state = new
                return [Self.event(action, box, at: clock.now())]
            })
    }
}

// MARK: - The engine itself

extension FakeEngine {
    /// What a start after a crash does to containers that were running or paused.
    public enum Revival: Sendable {
        /// The engine ends them as it comes up, and leaves them down: measured, also under `unless-stopped`.
        case containersEnded
        /// They ran on without it (`live-restore`).
        case containersKept
    }

    /// The engine is gone: every call finds nobody, and streams of events end with an error.
    public func engineDown() {
        let watchers = state.withLock { state in
            state.down = true
            state.history = []
            defer { state.watchers = [:] }
            return Array(state.watchers.values)
        }
        for watcher in watchers { watcher.finish(throwing: Self.unavailable) }
    }

    /// The engine is back. What waited for a restart waits on, counted anew.
    public func engineUp(_ revival: Revival = .containersEnded) {
        send(
            state.withLock { state in
                guard state.down else { return [] }
                state.down = false
                for id in state.boxes.keys where state.boxes[id]?.facts.state == .restarting { state.boxes[id]?.facts.restartCount = 0 }
                switch revival {
                case .containersKept: return []
                case .containersEnded: return endAll(&state)
                }
            })
    }

    private func endAll(_ state: inout State) -> [ContainerEvent] {
        state.boxes.keys.sorted().flatMap { id -> [ContainerEvent] in
            guard let box = state.boxes[id], [.running, .paused].contains(box.facts.state) else { return [] }
            return stop(box, exitCode: 137, &state)
        }
    }
}
