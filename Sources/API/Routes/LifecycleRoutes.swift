import HTTP
import Model
import Provisioner

/// Changing, stopping and starting workspaces. Rules: `docs/wire/workspaces.md`, "A workspace's life".
struct LifecycleRoutes: Sendable {
    let services: APIServices
    let settings: APISettings

    var routes: [Route] {
        [
            Route(.patch, "/workspaces/:id", at: [.people, .agents], for: .workspace, serve: update),
            Route(.post, "/workspaces/:id/restart", for: .workspace, serve: restart),
            Route(.post, "/workspaces/:id/pause", for: .workspace, serve: pause),
            Route(.post, "/workspaces/:id/resume", for: .workspace, serve: resume),
            Route(.post, "/workspaces/:id/hibernate", for: .workspace, serve: hibernate),
            Route(.post, "/workspaces/:id/cancel", for: .admin, serve: cancel),
            Route(.post, "/admin/workspaces/:id/bootstrap-failed", for: .admin, serve: bootstrapFailed),
        ]
    }

    private func update(_ call: Call) async throws -> Response {
        let id = try call.workspaceID()
        let change = try WorkspaceChange(decoding: try await call.request.json(limit: settings.bodyLimit))
        let workspace = try await services.provisioner.update(id, change, byAgent: !call.visitor.isPerson)
        var body: JSONObject = ["status": "updated"]
        if change.needsRestart, !workspace.external { body["needs_restart"] = true }
        return .json(200, .object(body))
    }

    private func restart(_ call: Call) async throws -> Response {
        let id = try call.workspaceID()
        let body = try BodyFields(
            try await call.request.optionalJSON(limit: settings.bodyLimit), refusal: "invalid request body")
        var options = try RestartOptions(decoding: body)
        if try call.request.query.flag("reset") { options.resetSession = true }
        guard call.visitor.isPerson || options.template == nil else { throw Self.templateIsForPeople }
        let last = try await services.feed.last(of: id)
        let workspace = try await services.provisioner.restart(id, options)
        return .json(200, .object(RestartReply(workspace: workspace, options: options, lastEventID: last ?? 0).json))
    }

    private func pause(_ call: Call) async throws -> Response {
        let report = try await services.provisioner.pause(try call.workspaceID())
        guard report.failures.isEmpty else {
            let failure = StopFailure(
                verb: "paused", count: report.stopped.count, failures: report.failures, countKey: "paused_count")
            return failure.response()
        }
        return .json(200, ["status": "paused", "paused_count": .int(report.stopped.count)])
    }

    private func resume(_ call: Call) async throws -> Response {
        let resumed = try await services.provisioner.resume(try call.workspaceID())
        return .json(200, ["status": "provisioning", "resumed_count": .int(resumed.count)])
    }

    private func hibernate(_ call: Call) async throws -> Response {
        let id = try call.workspaceID()
        let force = try call.request.query.flag("force")
        do {
            let report = try await services.provisioner.hibernate(id, force: force)
            guard report.failures.isEmpty else {
                let failure = StopFailure(
                    verb: "hibernated", count: report.stopped.count, failures: report.failures, countKey: "paused_count")
                return failure.response()
            }
            return .json(200, ["status": "hibernated"])
        } catch let error as any CodedError where error.code == .tasksActive {
            return Self.busy(error)
        }
    }

    /// Existing clients read the number beside `error`, not in `details`.
    private static func busy(_ error: any CodedError) -> Response {
        var body = error.report
        body["active_tasks"] = error.details["active_tasks"] ?? 0
        return .json(ErrorReply.status(of: error.code), .object(body))
    }

    private func cancel(_ call: Call) async throws -> Response {
        let workspace = try await services.provisioner.cancel(try call.workspaceID())
        return .json(200, ["status": .string(workspace.status.rawValue)])
    }

    private func bootstrapFailed(_ call: Call) async throws -> Response {
        let id = try call.workspaceID()
        let report = try BootstrapReport(decoding: try await call.request.json(limit: settings.bodyLimit))
        let changed = try await services.provisioner.bootstrapFailed(id, error: report.error, logTail: report.logTail)
        return .json(200, changed ? ["ok": true] : ["ok": true, "no_change": true])
    }

    private static let templateIsForPeople = Failure(
        .fieldForbidden, "an agent may not choose its own template", next: "Leave 'template' out, or let a person restart it.",
        details: ["fields": ["template"]])
}

extension RestartOptions {
    init(decoding fields: BodyFields) throws {
        self.init()
        template = try fields.text("template")
        applyTemplate = try fields.bool("apply_template") ?? false
        resetSession = try fields.bool("reset") ?? false
    }
}

/// What a restart answers. The keys before `generation` stand as existing clients know them.
private struct RestartReply {
    let workspace: Workspace
    let options: RestartOptions
    /// What happens from here on follows this event.
    let lastEventID: Int64

    var json: JSONObject {
        [
            "status": .string(workspace.status.rawValue), "config_dir": .string(configDirectory),
            "reset_session": .bool(options.resetSession), "generation": .int(workspace.generation), "last_event_id": .int(lastEventID),
        ]
    }

    /// Where the files in `/configs` come from.
    private var configDirectory: String {
        let applied = options.template ?? (options.applyTemplate ? workspace.template : nil)
        return applied ?? "existing-volume"
    }
}

/// What somebody who watches a boot says about its failure, cut to what is kept.
struct BootstrapReport {
    static let limit = 8192
    static let marker = "...[truncated]...\n"

    let error: String
    let logTail: String

    init(decoding body: JSONValue) throws {
        let fields = try BodyFields(body, refusal: "invalid request body")
        let words = (try fields.string("error") ?? "").trimmed
        error = words.isEmpty ? "bootstrap failed — see log_tail" : words
        logTail = Self.cut(try fields.string("log_tail") ?? "")
    }

    /// The last bytes, from the beginning of a character on.
    private static func cut(_ text: String) -> String {
        guard text.utf8.count > limit else { return text }
        return marker + String(decoding: text.utf8.suffix(limit).drop { $0 & 0xC0 == 0x80 }, as: UTF8.self)
    }
}

extension String {
    fileprivate var trimmed: String {
        String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}
