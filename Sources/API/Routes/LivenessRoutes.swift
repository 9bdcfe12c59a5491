import HTTP
import Model

/// `GET /admin/liveness`: whether every loop turns, and what a person must read now.
struct LivenessRoutes: Sendable {
    let services: APIServices

    var routes: [Route] { [Route(.get, "/admin/liveness", for: .admin) { _ in .json(200, liveness()) }] }

    private func liveness() -> JSONValue {
        let now = services.clock.now()
        var subsystems = JSONObject()
        for loop in services.loops() { subsystems[loop.name] = Self.subsystem(loop, now) }
        return ["subsystems": .object(subsystems), "banner": .optional(services.orphans.banner)]
    }

    private static func subsystem(_ loop: LoopTick, _ now: Timestamp) -> JSONValue {
        [
            "last_tick_at": .optional(loop.lastTickAt?.rfc3339),
            "seconds_ago": .optional(loop.lastTickAt.map { Int((now - $0).components.seconds) }),
            "expected_interval_seconds": .double(Double(loop.interval.milliseconds) / 1000), "stale": .bool(loop.isStale(at: now)),
            "restarts": .int(loop.restarts), "last_error": .optional(loop.lastError),
        ]
    }
}
