import Model

/// `berth up`: from whatever is there to an agent that answers. Every step uses what it finds.
struct UpCommand {
    private static let workspaceName = "hello"
    private static let readyWithin = 60

    let context: Context
    let project: String

    init(_ context: Context) {
        self.context = context
        project = context.projectDirectory
    }

    func run() async throws -> ExitCode {
        let engine = try await ensureEngine()
        try await ensureImage(engine)
        try await ensureDaemon(engine)
        // The daemon may just have made the token.
        let ready = try Context(context.invocation, environment: context.environment, output: context.output)
        defer { ready.transport.close() }
        var id = try await ensureWorkspace(ready)
        let reply: JSONValue
        do {
            reply = try await greet(ready, id)
        } catch let error as CommandError where error.code == ErrorCode.agentUnreachable.rawValue {
            step("workspace", "the agent of '\(Self.workspaceName)' is gone: replacing it")
            id = try await replaceWorkspace(ready, id)
            reply = try await greet(ready, id)
        }
        report(ready, id, AgentReply.text(of: reply))
        return .ok
    }

    private func greet(_ ready: Context, _ id: String) async throws -> JSONValue {
        try await AgentMessage(ready, workspaceID: id).send("Hello from berth up", timeout: 120)
    }

    private func step(_ name: String, _ text: String) {
        context.output.progress(name + String(repeating: " ", count: max(1, 13 - name.count)) + text + "\n")
    }

    private func ensureEngine() async throws -> EngineProbe {
        let printed = try await script("engine.sh", ["ensure"], environment: context.environment)
        guard let host = printed.split(separator: "\n").last.map(String.init) else {
            throw CommandError(.failed, code: ErrorCode.engineUnavailable.rawValue, "scripts/engine.sh found no engine")
        }
        let engine = try EngineProbe(host: host, transport: context.transport)
        step("engine", "\(host), version \(try await engine.version())")
        return engine
    }

    /// The script leaves an image alone that was made from the same sources.
    private func ensureImage(_ engine: EngineProbe) async throws {
        step("image", EngineProbe.echoImage)
        _ = try await script("echo-image.sh", [], environment: withEngine(engine), showing: true)
        guard try await engine.hasImage(EngineProbe.echoImage) else {
            throw CommandError(
                .failed, code: ErrorCode.imageNotFound.rawValue, "scripts/echo-image.sh did not make \(EngineProbe.echoImage)",
                next: "Run it by hand and read what it prints.")
        }
        step("image", "\(EngineProbe.echoImage) is there")
    }

    private func withEngine(_ engine: EngineProbe) -> [String: String] {
        context.environment.merging(["DOCKER_HOST": "unix://" + engine.socket]) { _, chosen in chosen }
    }

    private func script(_ name: String, _ arguments: [String], environment: [String: String], showing: Bool = false) async throws -> String
    {
        let path = "\(project)/scripts/\(name)"
        guard Machine.isExecutable(path) else {
            throw CommandError(
                .usage, code: "project_missing", "\(path) is not there", next: "Give the project's directory: berth up --project DIR")
        }
        guard let ended = await ChildProcess.run([path] + arguments, environment: environment, directory: project, showing: showing),
            ended.exitCode == 0
        else {
            throw CommandError(.failed, code: "script_failed", "scripts/\(name) failed", next: "What it printed above says why.")
        }
        return ended.output
    }

    // MARK: The daemon

    private func ensureDaemon(_ engine: EngineProbe) async throws {
        let process = DaemonProcess(stateDirectory: context.stateDirectory)
        if process.isOutdated, let pid = process.runningID {
            step("berthd", "built anew: restarting process \(pid)")
            guard try await process.stop(pid) else {
                throw CommandError(
                    .failed, code: "stop_failed", "berthd (process \(pid)) does not stop", next: "Look at its log, then kill it.")
            }
        }
        if try await answers() {
            step("berthd", "runs at \(context.daemon.baseURL)")
            return try await waitUntilReady(started: nil)
        }
        try await waitUntilReady(started: try start(engine))
        step("berthd", "started at \(context.daemon.baseURL)")
    }

    private func answers() async throws -> Bool {
        do {
            return try await context.daemon.get("/healthz")["version"] != nil
        } catch let error as CommandError where error.exitCode == .unreachable {
            return false
        } catch let error as CommandError where error.code == "unexpected_answer" {
            throw CommandError(
                .failed, code: ErrorCode.portTaken.rawValue, "something else than berthd listens at \(context.daemon.baseURL)",
                next: "Stop it, or choose another PORT.")
        }
    }

    private var logPath: String { StateFile.log.path(in: context.stateDirectory) }

    private func start(_ engine: EngineProbe) throws -> Int32 {
        let beside = Machine.executable.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/berthd"
        let candidates = [beside, project + "/.build/release/berthd"]
        guard let program = candidates.first(where: Machine.isExecutable) else {
            throw CommandError(.failed, code: "not_built", "there is no berthd in \(project)/.build/release", next: "make build")
        }
        guard Machine.makeDirectory(context.stateDirectory) else {
            throw CommandError(
                .failed, code: ErrorCode.stateDirectoryUnusable.rawValue, "the state directory \(context.stateDirectory) cannot be written",
                next: "Make it writable, or set STATE_DIR to another one.")
        }
        var environment = withEngine(engine)
        environment["CONFIGS_DIR"] = environment["CONFIGS_DIR"] ?? project + "/templates"
        environment["STATE_DIR"] = context.stateDirectory
        guard let pid = ChildProcess.detach([program], environment: environment, directory: project, log: logPath) else {
            throw CommandError(.failed, code: "start_failed", "\(program) cannot be started")
        }
        return pid
    }

    private func waitUntilReady(started pid: Int32?) async throws {
        var checks: [JSONValue] = []
        for _ in 0..<(Self.readyWithin * 10) {
            do {
                let answer = try await context.daemon.exchange(.get, "/readyz")
                if answer.status == 200 { return }
                checks = answer.body?["checks"]?.array ?? []
            } catch let error as CommandError where error.exitCode == .unreachable {
                if let pid, ChildProcess.hasEnded(pid) { throw endedEarly() }
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        let failing = checks.filter { $0["status"]?.string != "ok" }.map { "\($0["name"]?.string ?? "?"): \($0["error"]?.string ?? "?")" }
        throw CommandError(
            .failed, code: "not_ready", "berthd is not ready after \(Self.readyWithin) s; " + failing.joined(separator: "; "),
            next: "Its log is \(logPath); 'berth doctor' looks closer.")
    }

    private func endedEarly() -> CommandError {
        let lines = (Machine.text(logPath) ?? "").split(separator: "\n").suffix(5)
        context.output.progress(lines.map { "  | \($0)\n" }.joined())
        return CommandError(
            .failed, code: "start_failed", "berthd ended at once", next: "Its last lines are above; the whole log is \(logPath).")
    }
}

// MARK: - The workspace

extension UpCommand {
    private func ensureWorkspace(_ ready: Context) async throws -> String {
        let mine = try await ready.daemon.get("/workspaces").array?.first { $0["name"]?.string == Self.workspaceName }
        switch mine?["status"]?.string.flatMap(WorkspaceStatus.init(rawValue:)) {
        case .online, .degraded:
            step("workspace", "'\(Self.workspaceName)' is online")
            return mine?["id"]?.string ?? ""
        case .provisioning, .offline, .awaitingAgent, .paused, .hibernated, .hibernating:
            let id = mine?["id"]?.string ?? ""
            step("workspace", "'\(Self.workspaceName)' is there, waiting for its agent")
            try await Arrival(ready, workspaceID: id).wait(seconds: 120)
            return id
        case .failed:
            step("workspace", "'\(Self.workspaceName)' had failed: replacing it")
            return try await replaceWorkspace(ready, mine?["id"]?.string ?? "")
        case .removed, nil: return try await createWorkspace(ready)
        }
    }

    private func replaceWorkspace(_ ready: Context, _ id: String) async throws -> String {
        _ = try await ready.daemon.call(.delete, "/workspaces/\(id)")
        return try await createWorkspace(ready)
    }

    private func createWorkspace(_ ready: Context) async throws -> String {
        let body: JSONValue = ["name": .string(Self.workspaceName), "template": "echo"]
        let created = try await ready.daemon.call(.post, "/workspaces", body: body)
        let id = created["id"]?.string ?? ""
        step("workspace", "'\(Self.workspaceName)' created: \(id)")
        try await Arrival(ready, workspaceID: id).wait(seconds: 300)
        return id
    }

    private func report(_ ready: Context, _ id: String, _ reply: String) {
        let tokenFile = StateFile.adminToken.path(in: ready.stateDirectory)
        if ready.json {
            ready.output.json([
                "workspace_id": .string(id), "reply": .string(reply), "url": .string(ready.daemon.baseURL),
                "token_file": .string(tokenFile),
                "token": .optional(ready.daemon.token),
            ])
            return
        }
        ready.output.line(
            Table.fields([
                ("reply", WorkspaceText.printable(reply)), ("url", ready.daemon.baseURL), ("token", ready.daemon.token),
                ("token file", tokenFile),
                ("log", logPath), ("stop", "make down, or: berth down"),
            ]))
    }
}
