import Model

/// The sentences about stopping, restarting and looking closely.
extension EngineContract {
    public func stopIsForGood() async throws {
        let id = try await started(.serve)
        let first = try await facts(id).startedAt
        let events = try await backend.events(since: nil)
        try await backend.stop(id, grace: .seconds(60))
        let death = try await death(of: id, in: events)
        let stopped = try await facts(id)
        try expect(stopped.state == .exited && stopped.exitCode == 143, "a stop ends the program by SIGTERM, long before the grace is over")
        try expect(stopped.agentURL == nil && stopped.restartCount == 0, "what was stopped is not started again")
        try expectClose(death, stopped.finishedAt, "the event of a death carries the engine's own time of it")
        try await backend.stop(id, grace: .seconds(60))
        try await backend.start(id)
        let again = try await facts(id)
        try expect(again.state == .running && again.exitCode == 0, "what was stopped can be started again")
        try expect(try unwrapped(again.startedAt) > unwrapped(first), "a start is dated")
        try await destruction(of: id)
    }

    /// A program that fails is started again by the engine, until somebody stops it.
    public func stopEndsRestarts() async throws {
        let events = try await backend.events(since: nil)
        let id = try await started(.fail)
        _ = try await death(of: id, in: events)
        try await backend.stop(id, grace: .seconds(60))
        let stopped = try unwrapped(try await backend.containers().first { $0.id == id })
        try expect(stopped.state == .exited, "a stop ends the restarts")
        try expect(stopped.exitCode != 0 && stopped.restartCount >= 1, "the list knows how it ended, and how often it was started again")
        try expect(stopped.startedAt != nil && stopped.finishedAt != nil, "the list knows when it ran")
        try await removal(of: id)
    }

    public func detailsAreTold() async throws {
        let id = try await started(.serve)
        let details = try unwrapped(try await backend.details(of: id))
        try expect(details.facts.id == id && details.facts.state == .running, "details carry the facts")
        try expect(details.memoryBytes == 64 << 20 && details.pidsLimit == 64 && details.nanoCPUs > 0, "details carry the limits")
        try expect(details.restartPolicy == "unless-stopped", "details carry the restart policy")
        let mount = ContainerDetails.MountFacts(type: "volume", source: volume("configs"), target: "/configs", readOnly: false)
        try expect(details.mounts == [mount], "details carry the mounts")
        let port = try unwrapped(details.ports.first)
        try expect(port.container == "8000/tcp" && port.hostAddress == "127.0.0.1", "details carry the published port")
        try expect(details.facts.agentURL == "http://127.0.0.1:\(port.hostPort)", "it is the port the agent is dialled at")
        let ofImage = Set(details.imageEnvironment.map(\.name))
        try expect(!ofImage.contains("GREETING"), "what the image sets is told from what was given")
        try expect(details.environment.filter { $0.name == "GREETING" }.map(\.value) == ["ready"], "details carry the environment")
        try await removal(of: id)
    }

    public func filesAreRead() async throws {
        let id = try await create("serve")
        try await backend.copy([ContainerFile(path: "deep/token", bytes: [7, 0, 255], mode: 0o600)], into: id, at: "/configs")
        try expect(try await backend.file("/configs/deep/token", of: id) == [7, 0, 255], "a file of a container that never ran is read")
        try expect(try await backend.file("/configs/deep/none", of: id) == nil, "a file that is not there is nil")
        try expect(try await backend.file("/configs/deep", of: id) == nil, "a directory is no file")
        let large = ContainerFile(path: "large", bytes: [UInt8](repeating: 1, count: 64 << 10 + 1))
        try await backend.copy([large], into: id, at: "/configs")
        try await expectError(.engineError, .failed) { _ = try await backend.file("/configs/large", of: id) }
        try await backend.removeContainer(id)
        let next = try await create("serve")
        try expect(
            try await backend.file("/configs/deep/token", of: next) == [7, 0, 255], "a volume keeps its files for the next container")
        try await removal(of: next)
    }

    /// `stranger` looks like a workspace, and is not ours.
    public func strangersAreSeen(_ stranger: String) async throws {
        let id = try await create("serve")
        let strangers = try await backend.strangers().map(\.id)
        try expect(strangers.contains(stranger) && !strangers.contains(id), "strangers are told from ours")
        try expect(try await backend.containers().map(\.id) == [id], "strangers are not listed as ours")
        try await removal(of: id)
    }

    // MARK: - Parts

    private func started(_ program: Program) async throws -> String {
        let id = try await create("life")
        try await install(program, id)
        try await backend.start(id)
        return id
    }

    private func death(of id: String, in events: AsyncThrowingStream<ContainerEvent, any Error>) async throws -> Timestamp {
        for try await event in events where event.containerID == id && event.action == .die { return event.at }
        throw ContractBreach("a death is reported")
    }

    private func destruction(of id: String) async throws {
        let events = try await backend.events(since: nil)
        try await removal(of: id)
        for try await event in events where event.containerID == id && event.action == .destroy { return }
        throw ContractBreach("a removal is reported")
    }

    private func unwrapped<Value>(_ value: Value?) throws -> Value {
        guard let value else { throw ContractBreach("there is a value") }
        return value
    }

    private func expectClose(_ left: Timestamp, _ right: Timestamp?, _ sentence: String) throws {
        let gap = left - (try unwrapped(right))
        try expect(gap < .seconds(1) && gap > .seconds(-1), sentence)
    }
}
