import HTTP
import Model

/// What we made and no live row speaks for, and the record of what was done about it. Rules: `docs/wire/workspaces.md`, "Orphans".
struct OrphanRoutes: Sendable {
    let services: APIServices
    let settings: APISettings

    var routes: [Route] {
        [Route(.get, "/admin/orphans", for: .admin) { _ in .json(200, OrphanView.report(try await services.orphans.report())) }]
            + OrphanAct.allCases.map { act in
                Route(.post, "/admin/orphans/\(act.rawValue)", for: .admin) { try await perform(act, $0) }
            }
            + [Route(.get, "/admin/audit", for: .admin, serve: audit)]
    }

    private func perform(_ act: OrphanAct, _ call: Call) async throws -> Response {
        let order = try OrphanOrder(decoding: try await call.request.json(limit: settings.bodyLimit))
        let outcomes = try await services.orphans.perform(act, on: order.ids, dryRun: order.dryRun)
        let failed = outcomes.count { $0.failure != nil }
        return .json(
            200,
            [
                "act": .string(act.rawValue), "dry_run": .bool(order.dryRun), "succeeded": .int(outcomes.count - failed),
                "failed": .int(failed), "outcomes": .array(outcomes.map(OrphanView.outcome)),
            ])
    }

    private func audit(_ call: Call) async throws -> Response {
        let after = try call.request.query.number("after", in: 0...Int64.max, standard: 0)
        let limit = try call.request.query.number("limit", in: 1...1000, standard: 100)
        let events = try await services.audit.auditEvents(after: after, limit: limit)
        return .json(200, ["events": .array(events.map(OrphanView.event)), "last": .int(events.last?.sequence ?? after)])
    }
}

/// The body of an act: which orphans, and whether only to say what would happen. A body is asked for even when both are left to their
/// defaults: an act on everything is nobody's slip.
struct OrphanOrder {
    /// nil stands for every one the act applies to.
    let ids: [WorkspaceID]?
    let dryRun: Bool

    init(decoding body: JSONValue) throws {
        let fields = try BodyFields(body, refusal: "invalid request body")
        try fields.allowOnly("ids", "dry_run")
        dryRun = try fields.bool("dry_run") ?? false
        ids = try fields.array("ids").map { list in
            var seen: Set<WorkspaceID> = []
            return try list.map { value in
                guard let id = value.string.flatMap(WorkspaceID.init) else { throw fields.wrongType("ids", "a list of workspace ids") }
                return id
            }.filter { seen.insert($0).inserted }
        }
    }
}

/// Orphans as clients see them.
enum OrphanView {
    static func report(_ report: OrphanReport) -> JSONValue {
        [
            "mode": .string(report.mode), "banner": .optional(report.banner), "hold_until": .optional(report.holdUntil?.rfc3339),
            "orphans": .array(report.entries.map(entry)), "strangers": .array(report.strangers.map(stranger)),
        ]
    }

    private static func entry(_ entry: OrphanReport.Entry) -> JSONValue {
        let orphan = entry.orphan
        return [
            "id": .string(orphan.workspaceID.text), "name": .string(orphan.name), "state": .string(orphan.state.rawValue),
            "cause": .string(orphan.cause.rawValue), "runtime": .string(orphan.runtime), "template": .string(orphan.template),
            "tier": .int(orphan.tier), "parent_id": .optional(orphan.parentID?.text), "generation": .int(orphan.generation),
            "container_id": .optional(orphan.containerID), "running": .bool(entry.running),
            "volumes": .array(entry.volumes.map(JSONValue.string)), "created_at": .optional(orphan.createdAt?.rfc3339),
            "first_seen_at": .string(orphan.firstSeenAt.rfc3339), "quarantined_at": .optional(orphan.quarantinedAt?.rfc3339),
            "next": .string(entry.next), "next_at": .optional(entry.nextAt?.rfc3339),
        ]
    }

    private static func stranger(_ facts: ContainerFacts) -> JSONValue {
        [
            "container_id": .string(facts.id), "name": .string(facts.name), "state": .string(facts.state.rawValue),
            "image": .string(facts.image), "instance": .optional(facts.labels[WorkspaceLabels.instance]),
        ]
    }

    static func outcome(_ outcome: OrphanOutcome) -> JSONValue {
        var object: JSONObject = ["id": .string(outcome.id.text), "name": .string(outcome.name), "did": .string(outcome.did)]
        for member in outcome.failure?.report.members ?? [] { object[member.key] = member.value }
        return .object(object)
    }

    static func event(_ event: AuditEvent) -> JSONValue {
        [
            "sequence": event.sequence.map { .int($0) } ?? .null, "event": .string(event.kind.rawValue),
            "workspace_id": .optional(event.workspaceID?.text), "at": .string(event.at.rfc3339), "payload": .object(event.payload),
        ]
    }
}
