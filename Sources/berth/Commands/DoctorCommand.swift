import HTTP
import Model
import Templates

/// `berth doctor`: looks at everything a working installation needs.
struct DoctorCommand {
    struct Finding: Sendable, Equatable {
        enum Verdict: String, Sendable {
            case ok, warning, failed
        }

        let name: String
        let verdict: Verdict
        let message: String
        var next: String?
    }

    let context: Context
    init(_ context: Context) { self.context = context }

    func run() async throws -> ExitCode {
        let findings = [stateDirectory(), token()] + (await daemon()) + (await engine()) + [templates()]
        if context.json {
            context.output.json(.array(findings.map(Self.json)))
        } else {
            context.output.line(Self.text(findings))
        }
        return findings.contains { $0.verdict == .failed } ? .failed : .ok
    }

    static func text(_ findings: [Finding]) -> String {
        let width = findings.map(\.name.count).max() ?? 0
        let lines = findings.flatMap { finding in
            let name = finding.name + String(repeating: " ", count: width - finding.name.count)
            let verdict = finding.verdict.rawValue + String(repeating: " ", count: 7 - finding.verdict.rawValue.count)
            return ["\(verdict)  \(name)  \(finding.message)"]
                + (finding.next.map { [String(repeating: " ", count: width + 11) + "next: \($0)"] } ?? [])
        }
        let failed = findings.count { $0.verdict == .failed }
        return (lines + ["", failed == 0 ? "nothing is wrong" : "\(failed) of \(findings.count) checks failed"]).joined(separator: "\n")
    }

    private static func json(_ finding: Finding) -> JSONValue {
        var object: JSONObject = [
            "check": .string(finding.name), "verdict": .string(finding.verdict.rawValue), "message": .string(finding.message),
        ]
        if let next = finding.next { object["next"] = .string(next) }
        return .object(object)
    }

    private func stateDirectory() -> Finding {
        let path = context.stateDirectory
        guard let mode = Machine.mode(path) else {
            return Finding(
                name: "state", verdict: .warning, message: "\(path) is not there yet", next: "berthd makes it when it starts: berth up")
        }
        guard Machine.isWritableDirectory(path) else {
            return Finding(
                name: "state", verdict: .failed, message: "\(path) cannot be written by this user",
                next: "Run as the user berthd runs as, or set STATE_DIR.")
        }
        guard mode & 0o077 == 0 else {
            return Finding(name: "state", verdict: .failed, message: "\(path) is open to other users", next: "chmod 700 \(path)")
        }
        return Finding(name: "state", verdict: .ok, message: path)
    }

    private func token() -> Finding {
        if context.environment["BERTH_TOKEN"]?.isEmpty == false { return Finding(name: "token", verdict: .ok, message: "from BERTH_TOKEN") }
        let path = StateFile.adminToken.path(in: context.stateDirectory)
        guard let mode = Machine.mode(path) else {
            return Finding(
                name: "token", verdict: .failed, message: "\(path) is not there",
                next: "berthd makes it when it starts: berth up. For a daemon elsewhere set BERTH_URL and BERTH_TOKEN.")
        }
        guard context.daemon.token != nil else {
            return Finding(
                name: "token", verdict: .failed, message: "\(path) cannot be read, or is empty", next: "Run as the user berthd runs as.")
        }
        guard mode & 0o077 == 0 else {
            return Finding(name: "token", verdict: .failed, message: "\(path) can be read by other users", next: "chmod 600 \(path)")
        }
        return Finding(name: "token", verdict: .ok, message: path)
    }

    private func daemon() async -> [Finding] {
        let daemon = context.daemon
        let alive = await finding("daemon") { "berthd \(try await daemon.get("/healthz")["version"]?.string ?? "?") at \(daemon.baseURL)" }
        guard alive.verdict == .ok else { return [alive] }
        var rows: [JSONValue] = []
        let authorised = await finding("access") {
            rows = try await daemon.get("/workspaces").array ?? []
            return "the token is accepted; \(rows.count) workspaces"
        }
        let checks = (try? await daemon.exchange(.get, "/readyz"))?.body?["checks"]?.array ?? []
        let details = checks.map { check in
            let (name, good) = ("ready: " + (check["name"]?.string ?? "?"), check["status"]?.string == "ok")
            let code = check["code"]?.string
            return Finding(
                name: name, verdict: good ? .ok : .failed, message: check["error"]?.string ?? "ok",
                next: good
                    ? nil : "docs/errors.md explains \(code ?? "it"); berthd logs to \(StateFile.log.path(in: context.stateDirectory)).")
        }
        return [alive, authorised] + [Self.failures(rows)].compactMap(\.self) + details + (await supervision())
    }

    /// nil when no workspace has failed.
    private static func failures(_ rows: [JSONValue]) -> Finding? {
        let failed = rows.filter { $0["status"]?.string == "failed" }.map { row in
            WorkspaceText.printable("\(row["name"]?.string ?? "?") (\(row["failure"]?["code"]?.string ?? "no reason given"))")
        }
        guard let first = failed.first else { return nil }
        return Finding(
            name: "workspaces", verdict: .warning,
            message: failed.count > 3 ? "\(failed.count) have failed, \(first) among them" : "failed: \(failed.joined(separator: ", "))",
            next: "'berth workspaces get NAME' says why, with the last lines of its log; docs/errors.md explains the code.")
    }

    private func supervision() async -> [Finding] {
        let supervision = await Supervision(context.daemon)
        let log = StateFile.log.path(in: context.stateDirectory)
        let loops = supervision.loops.map { loop in
            Finding(
                name: "loop: " + loop.name, verdict: loop.stale ? .failed : loop.restarts > 0 ? .warning : .ok, message: loop.text,
                next: loop.stale || loop.restarts > 0 ? "berthd logs to \(log)." : nil)
        }
        let banner = supervision.banner.map {
            Finding(
                name: "attention", verdict: .warning, message: WorkspaceText.printable($0),
                next: "'berth orphans list' shows what is concerned.")
        }
        let orphans = supervision.orphanSummary.map {
            Finding(
                name: "orphans", verdict: .warning, message: $0,
                next: "'berth orphans adopt' makes them workspaces again; 'berth orphans confirm' says that nobody needs them.")
        }
        return loops + [banner, orphans].compactMap(\.self)
    }

    private func engine() async -> [Finding] {
        do {
            let host = context.environment["DOCKER_HOST"].flatMap { $0.isEmpty ? nil : $0 } ?? EngineProbe.defaultHost
            let engine = try EngineProbe(host: host, transport: context.transport)
            let alive = await finding("engine") { "version \(try await engine.version()) at \(engine.socket)" }
            guard alive.verdict == .ok else { return [alive] }
            let present = try await engine.hasImage(EngineProbe.echoImage)
            let image = Finding(
                name: "echo image", verdict: present ? .ok : .warning, message: EngineProbe.echoImage + (present ? "" : " is not there"),
                next: present ? nil : "scripts/echo-image.sh builds it; so does 'berth up'.")
            return [alive, image]
        } catch {
            return [Self.failed("engine", error)]
        }
    }

    private func templates() -> Finding {
        let path = context.environment["CONFIGS_DIR"].flatMap { $0.isEmpty ? nil : $0 } ?? context.projectDirectory + "/templates"
        if context.environment["CONFIGS_DIR"] == nil, !Machine.exists(path) {
            return Finding(
                name: "templates", verdict: .warning, message: "\(path) is not there, and CONFIGS_DIR is not set",
                next: "Set CONFIGS_DIR to the directory that berthd reads.")
        }
        let errors = TemplateLint.check(path: path).filter { $0.severity == .error }
        guard let first = errors.first else { return Finding(name: "templates", verdict: .ok, message: path) }
        return Finding(
            name: "templates", verdict: .failed,
            message: "\(first.place): \(first.message)" + (errors.count > 1 ? ", and \(errors.count - 1) more" : ""),
            next: "berth templates lint \(path)")
    }

    private func finding(_ name: String, _ check: () async throws -> String) async -> Finding {
        do {
            return Finding(name: name, verdict: .ok, message: try await check())
        } catch {
            return Self.failed(name, error)
        }
    }

    private static func failed(_ name: String, _ error: any Error) -> Finding {
        guard let error = error as? CommandError else { return Finding(name: name, verdict: .failed, message: String(describing: error)) }
        return Finding(name: name, verdict: .failed, message: "\(error.message) (\(error.code))", next: error.next)
    }
}
