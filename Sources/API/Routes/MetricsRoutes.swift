import HTTP
import Model

/// `GET /metrics` in the Prometheus text format 0.0.4.
struct MetricsRoutes: Sendable {
    let services: APIServices
    let settings: APISettings
    let metrics: HTTPMetrics

    var routes: [Route] {
        [Route(.get, "/metrics", for: .admin) { _ in await page() }]
    }

    private func page() async -> Response {
        var page = MetricsPage()
        requests(&page)
        process(&page)
        await workspaces(&page)
        queue(&page)
        await orphans(&page)
        images(&page)
        loops(&page)
        return Response(
            status: 200, headers: ["Content-Type": "text/plain; version=0.0.4; charset=utf-8"], body: .bytes(Array(page.text.utf8)))
    }

    private func requests(_ page: inout MetricsPage) {
        let snapshot = metrics.snapshot()
        func labels(_ key: HTTPMetrics.Key) -> [(String, String)] {
            [("method", key.method), ("path", key.path), ("status", String(key.status))]
        }
        page.family("molecule_http_requests_total", "counter", "Requests answered.")
        for (key, total) in snapshot { page.sample("molecule_http_requests_total", labels(key), Double(total.requests)) }
        page.family("molecule_http_request_duration_seconds_total", "counter", "Seconds until the response head, summed.")
        for (key, total) in snapshot { page.sample("molecule_http_request_duration_seconds_total", labels(key), total.seconds) }
    }

    private func process(_ page: inout MetricsPage) {
        page.family("process_start_time_seconds", "gauge", "Unix time this process started.")
        page.sample("process_start_time_seconds", [], Double(settings.startedAt.milliseconds) / 1000)
        guard let usage = ProcessUsage.now() else { return }
        page.family("process_resident_memory_bytes", "gauge", "Resident memory.")
        page.sample("process_resident_memory_bytes", [], Double(usage.residentBytes))
        page.family("process_cpu_seconds_total", "counter", "User and system CPU time.")
        page.sample("process_cpu_seconds_total", [], usage.cpuSeconds)
        page.family("process_open_fds", "gauge", "Open file descriptors.")
        page.sample("process_open_fds", [], Double(usage.openFiles))
    }

    private func loops(_ page: inout MetricsPage) {
        let loops = services.loops()
        page.family("berth_loop_last_tick_seconds", "gauge", "Unix time of a loop's last tick.")
        for loop in loops {
            guard let tick = loop.lastTickAt else { continue }
            page.sample("berth_loop_last_tick_seconds", [("loop", loop.name)], Double(tick.milliseconds) / 1000)
        }
        page.family("berth_loop_restarts_total", "counter", "How often a loop failed and was started again.")
        for loop in loops { page.sample("berth_loop_restarts_total", [("loop", loop.name)], Double(loop.restarts)) }
    }

    /// Left out when the store cannot be read: a wrong zero is worse than a gap, and the rest is wanted exactly then.
    private func workspaces(_ page: inout MetricsPage) async {
        guard let live = try? await services.workspaces.liveWorkspaces() else { return }
        page.family("berth_workspaces", "gauge", "Workspaces that are not removed, by status.")
        let counts = Dictionary(grouping: live, by: \.status).mapValues(\.count)
        for status in WorkspaceStatus.allCases where status != .removed {
            page.sample("berth_workspaces", [("status", status.rawValue)], Double(counts[status] ?? 0))
        }
        page.family("berth_workspace_restarts", "gauge", "Starts after the first, of workspaces that are not removed.")
        page.sample("berth_workspace_restarts", [], Double(live.reduce(0) { $0 + max(0, $1.generation - 1) }))
    }

    private func queue(_ page: inout MetricsPage) {
        page.family("berth_provisions_queued", "gauge", "Workspaces that wait for a slot to be started in.")
        page.sample("berth_provisions_queued", [], Double(services.provisioner.queueLength))
    }

    private func images(_ page: inout MetricsPage) {
        let counts = services.images.counts
        page.family("berth_image_pulls_total", "counter", "Pulls that ended, by result.")
        for (result, pulls) in counts.pulls.sorted(by: { $0.key < $1.key }) {
            page.sample("berth_image_pulls_total", [("result", result)], Double(pulls.count))
        }
        page.family("berth_image_pull_seconds_total", "counter", "Seconds of those pulls, summed.")
        for (result, pulls) in counts.pulls.sorted(by: { $0.key < $1.key }) {
            page.sample("berth_image_pull_seconds_total", [("result", result)], pulls.seconds)
        }
        page.family("berth_image_pull_bytes_total", "counter", "Compressed bytes that pulls brought in.")
        page.sample("berth_image_pull_bytes_total", [], Double(counts.bytes))
        page.family("berth_image_head_requests_total", "counter", "Questions to registries what a tag means, by outcome.")
        for (result, count) in counts.looks.sorted(by: { $0.key < $1.key }) {
            page.sample("berth_image_head_requests_total", [("result", result)], Double(count))
        }
        for (name, help, count) in [
            ("berth_image_versions_accepted_total", "New versions that proved themselves.", counts.accepted),
            ("berth_image_versions_refused_total", "New versions that did not.", counts.refused),
            ("berth_image_rollbacks_total", "Rollbacks that somebody asked for.", counts.rollbacks),
        ] {
            page.family(name, "counter", help)
            page.sample(name, [], Double(count))
        }
    }

    private func orphans(_ page: inout MetricsPage) async {
        guard let orphans = try? await services.audit.orphans() else { return }
        page.family("berth_orphans", "gauge", "Containers and volumes of ours that no live row speaks for, by state.")
        let counts = Dictionary(grouping: orphans, by: \.state).mapValues(\.count)
        for state in Orphan.State.allCases { page.sample("berth_orphans", [("state", state.rawValue)], Double(counts[state] ?? 0)) }
    }
}

/// Lines of the Prometheus text format.
struct MetricsPage {
    private(set) var text = ""

    mutating func family(_ name: String, _ type: String, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    mutating func sample(_ name: String, _ labels: [(String, String)], _ value: Double) {
        let written = labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
        text += "\(name)\(labels.isEmpty ? "" : "{\(written)}") \(JSONNumber(value).text)\n"
    }

    private static func escaped(_ value: String) -> String {
        value.flatMap { character -> String in
            switch character {
            case "\\": "\\\\"
            case "\"": "\\\""
            case "\n": "\\n"
            default: String(character)
            }
        }.reduce(into: "") { $0.append($1) }
    }
}
