import Model

/// `berth down`: stops what `up` started and keeps what it made.
struct DownCommand {
    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let daemon = try await stopDaemon()
        let engine = await stopEngine()
        if context.json {
            context.output.json(["berthd": .string(daemon), "engine": .string(engine), "state": .string(context.stateDirectory)])
        } else {
            context.output.line(
                Table.fields([
                    ("berthd", daemon), ("engine", engine), ("left", "containers, volumes and images; state in \(context.stateDirectory)"),
                    ("again", "make up, or: berth up"),
                ]))
        }
        return .ok
    }

    private func stopDaemon() async throws -> String {
        let process = DaemonProcess(stateDirectory: context.stateDirectory)
        guard let pid = process.runningID else { return "was not running" }
        guard try await process.stop(pid) else {
            throw CommandError(
                .failed, code: ErrorCode.stopFailed.rawValue, "berthd (process \(pid)) is still there",
                next: "Its log is \(StateFile.log.path(in: context.stateDirectory)). 'kill -9 \(pid)' ends it; nothing is lost.")
        }
        return "stopped (process \(pid))"
    }

    /// The script knows whether it started the engine, and leaves any other alone.
    private func stopEngine() async -> String {
        let project = context.projectDirectory
        let script = "\(project)/scripts/engine.sh"
        guard Machine.isExecutable(script) else { return "left alone (\(script) is not there)" }
        guard await engineAnswers() else { return "was not running" }
        let ended = await ChildProcess.run([script, "stop"], environment: context.environment, directory: project)
        if await engineAnswers() { return ended?.exitCode == 0 ? "left alone: 'up' did not start it" : "could not be stopped" }
        return "stopped, and the containers with it"
    }

    private func engineAnswers() async -> Bool {
        let host = context.environment["DOCKER_HOST"].flatMap { $0.isEmpty ? nil : $0 } ?? EngineProbe.defaultHost
        // Whatever the reason, an engine that does not answer is none that runs.
        return (try? await EngineProbe(host: host, transport: context.transport).version()) != nil
    }
}
