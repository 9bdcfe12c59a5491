public import Model

extension LocalEngine: ContainerStopping {
    /// SIGTERM before the container's init has its handler is lost, and the stop then takes the whole grace (measured: 1 in 20).
    static let youngestStopped = Duration.milliseconds(100)

    /// Gives a container that was started a moment ago the rest of 100 ms first, counted from the start the engine reports. One that waits for
    /// its next restart, or is paused, is ended too.
    ///
    /// A container that the engine does not run at all is left as it is: one that ended by itself, without the engine waiting to start it
    /// again, may come back when the engine is restarted.
    public func stop(_ containerID: String, grace: Duration) async throws {
        if grace > .zero { try await waitForInit(of: containerID) }
        do {
            try await run(ContainerStop(id: containerID, grace: grace))
        } catch let error as BackendError where error.code == .stopFailed {
            try await stopAgain(containerID, grace, after: error)
        }
    }

    private func waitForInit(of containerID: String) async throws {
        guard let facts = try await container(containerID), facts.state == .running, let startedAt = facts.startedAt else { return }
        let age = clock.now() - startedAt
        // An age below zero is a clock that was set back: the wait stays short all the same.
        guard age < Self.youngestStopped else { return }
        try await clock.sleep(for: min(Self.youngestStopped, Self.youngestStopped - age))
    }

    /// A refused stop is judged by what became of the container: podman does not stop a paused one, and one that died by itself meanwhile
    /// needs no stop.
    private func stopAgain(_ containerID: String, _ grace: Duration, after error: BackendError) async throws {
        guard let state = try await container(containerID)?.state else { return }
        switch state {
        case .paused:
            try await run(ContainerUnpause(id: containerID))
            try await run(ContainerStop(id: containerID, grace: grace))
        case .created, .exited, .dead, .removing: return
        case .running, .restarting, .unknown: throw error
        }
    }
}
