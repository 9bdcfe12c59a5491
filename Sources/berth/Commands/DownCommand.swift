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
        let ended = await ChildProcess.run([script, "stop"], environment: context.environment, directory: project)
        return ended?.exitCode == 0 ? "stopped if 'up' had started it, else left alone" : "could not be stopped"
    }
}
