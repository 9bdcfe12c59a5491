import HTTP
import Model

/// Images: how they stand, refresh, rollback, and what is kept. Rules: `docs/wire/images.md`.
struct ImageRoutes: Sendable {
    let services: APIServices

    private static let path = "/admin/workspace-images"

    var routes: [Route] {
        [
            Route(.get, Self.path, for: .admin) { _ in
                .json(200, ["images": .array(try await services.images.report().map(ImageView.image))])
            },
            Route(.post, "\(Self.path)/refresh", for: .admin, serve: refresh),
            Route(.post, "\(Self.path)/rollback", for: .admin, serve: rollBack),
            Route(.post, "\(Self.path)/prune", for: .admin, serve: prune),
        ]
    }

    /// Answers when all is done, however long that takes; a caller that hangs up does not end it.
    private func refresh(_ call: Call) async throws -> Response {
        let query = call.request.query
        let runtimes = query["runtime"].flatMap { $0.isEmpty ? nil : [$0] }
        // Left out it is true, and of what is given only the exact text is.
        let recreate = query["recreate"].map { $0 == "true" } ?? true
        let dryRun = try query.flag("dry_run")
        let images = services.images
        let report = try await outlivingCaller { try await images.refresh(runtimes, recreate: recreate, dryRun: dryRun) }
        return .json(200, ImageView.refresh(report))
    }

    private func rollBack(_ call: Call) async throws -> Response {
        guard let runtime = call.request.query["runtime"], !runtime.isEmpty else {
            throw Failure(
                .invalidField, "runtime is required", next: "Add ?runtime=NAME; GET \(Self.path) names them.", details: ["field": "runtime"]
            )
        }
        let dryRun = try call.request.query.flag("dry_run")
        let images = services.images
        let report = try await outlivingCaller { try await images.rollBack(runtime, dryRun: dryRun) }
        return .json(200, ImageView.refresh(report))
    }

    private func prune(_ call: Call) async throws -> Response {
        let dryRun = try call.request.query.flag("dry_run")
        let pruned = try await services.images.prune(dryRun: dryRun)
        let freed = pruned.filter { $0.removed || dryRun && $0.reason == nil }.reduce(Int64(0)) { $0 + $1.sizeBytes }
        return .json(
            200, ["dry_run": .bool(dryRun), "images": .array(pruned.map(ImageView.pruned)), "freed_bytes": .int(freed)])
    }

    private func outlivingCaller<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
        try await Task { try await body() }.value
    }
}

/// Images as clients see them.
enum ImageView {
    static func image(_ report: ImageReport) -> JSONValue {
        let image = report.image
        return [
            "image": .string(image.reference), "runtimes": .array(report.runtimes.map(JSONValue.string)),
            "state": .string(report.state), "current": version(image.current), "previous": version(image.previous),
            "observed_digest": .optional(image.observedDigest), "pinned": .bool(report.isPinned), "built_here": .bool(report.isBuiltHere),
            "present": .bool(report.isHere), "workspaces": .int(report.workspaces), "on_current": .int(report.onCurrent),
            "last_check_at": .optional(image.checkedAt?.rfc3339), "next_check_at": .optional(report.nextCheckAt?.rfc3339),
            "last_error": failure(image.checkFailure), "refused": refused(image.refused), "refresh": rollout(image.rollout),
            "pull": pull(report.pull),
        ]
    }

    static func version(_ version: ImageVersion?) -> JSONValue {
        guard let version else { return .null }
        return ["image_id": .string(version.id), "digest": .optional(version.digest)]
    }

    private static func failure(_ failure: ImageFailure?) -> JSONValue {
        guard let failure else { return .null }
        return ["code": .string(failure.code.rawValue), "error": .string(failure.message), "at": .string(failure.at.rfc3339)]
    }

    private static func refused(_ refused: RefusedImage?) -> JSONValue {
        guard let refused else { return .null }
        return ["digest": .string(refused.digest), "tries": .int(refused.tries), "why": failure(refused.failure)]
    }

    private static func rollout(_ rollout: ImageRollout?) -> JSONValue {
        guard let rollout else { return .null }
        return [
            "state": .string(rollout.state.rawValue), "target": .string(rollout.target), "recreate": .bool(rollout.recreates),
            "rollback": .bool(rollout.isRollback), "done": .int(rollout.done), "total": .int(rollout.total),
            "started_at": .string(rollout.startedAt.rfc3339), "ended_at": .optional(rollout.endedAt?.rfc3339),
            "why": failure(rollout.failure),
        ]
    }

    static func pull(_ report: PullReport?) -> JSONValue {
        guard let report else { return .null }
        let progress = report.progress
        return [
            "status": .string(progress.status), "done_bytes": .int(progress.doneBytes), "total_bytes": .int(progress.totalBytes),
            "layers_done": .int(progress.layersDone), "layers_total": .int(progress.layersTotal),
            "bytes_per_second": report.bytesPerSecond.map { .int($0) } ?? .null,
            "seconds_left": report.secondsLeft.map { .int($0) } ?? .null, "stalled": .bool(report.isStalled),
        ]
    }

    /// The first three members are what existing clients read.
    static func refresh(_ report: RefreshReport) -> JSONValue {
        let recreated = report.outcomes.flatMap(\.recreated)
        return [
            "pulled": .array(report.pulled.map(JSONValue.string)), "failed": .array(report.failed.map(JSONValue.string)),
            "recreated": .array((report.dryRun ? [] : recreated).map(JSONValue.string)),
            "would_recreate": .array((report.dryRun ? recreated : []).map(JSONValue.string)),
            "skipped": .array(report.outcomes.flatMap(\.skipped).map { ["name": .string($0.name), "reason": .string($0.reason)] }),
            "images": .array(report.outcomes.map(outcome)), "dry_run": .bool(report.dryRun),
        ]
    }

    private static func outcome(_ outcome: ImageOutcome) -> JSONValue {
        var object: JSONObject = [
            "image": .string(outcome.reference), "version": version(outcome.version), "note": .optional(outcome.note),
            "recreated": .int(outcome.recreated.count), "skipped": .int(outcome.skipped.count),
        ]
        for member in outcome.failure?.report.members ?? [] { object[member.key] = member.value }
        return .object(object)
    }

    static func pruned(_ image: PrunedImage) -> JSONValue {
        [
            "image": .string(image.image.reference), "image_id": .string(image.image.id), "digest": .optional(image.image.digest),
            "size_bytes": .int(image.sizeBytes), "removed": .bool(image.removed), "reason": .optional(image.reason),
            "retired_at": .string(image.image.since.rfc3339),
        ]
    }
}

extension ImageReport {
    /// In a word, for people who look at many.
    fileprivate var state: String {
        if let rollout = image.rollout, !rollout.state.isOver { return rollout.state.rawValue }
        if pull != nil { return "pulling" }
        if isPinned { return "pinned" }
        if let refused = image.refused, refused.digest != image.current?.digest {
            return refused.failure.code == .rolledBack ? "rolled_back" : "refused"
        }
        if image.checkFailure != nil { return "check_failed" }
        if !isHere { return "absent" }
        return isBuiltHere ? "built_here" : "current"
    }
}
