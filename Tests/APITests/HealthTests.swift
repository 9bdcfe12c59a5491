import API
import HTTP
import Model
import Synchronization
import TestSupport
import Testing

@Suite("Health and metrics", .timeLimit(.minutes(1)))
struct HealthTests {
    @Test("health says what existing clients match as text")
    func health() async {
        let answer = await APIWorld().call(.get, "/health")
        #expect(answer.text == #"{"status":"ok"}"#)
    }

    @Test("readiness names every check, and is 503 while one fails")
    func readiness() async {
        let broken = Mutex(true)
        let world = APIWorld(probes: [
            ReadinessProbe("database") { .ok },
            ReadinessProbe("engine") { broken.withLock { $0 } ? .failing(.engineUnavailable, "the engine does not answer") : .ok },
        ])
        let failing = await world.call(.get, "/readyz")
        #expect(failing.status == 503)
        #expect(
            failing.text
                == #"{"status":"not_ready","checks":[{"name":"database","status":"ok"},{"name":"engine","status":"failing","code":"engine_unavailable","error":"the engine does not answer"}]}"#
        )
        broken.withLock { $0 = false }
        #expect(await world.call(.get, "/readyz").status == 503, "the answer is kept for a second")
        world.clock.advance(by: .seconds(1))
        let ready = await world.call(.get, "/readyz")
        #expect(ready.status == 200)
        #expect(ready.json["status"] == "ready")
    }

    @Test("a check that hangs does not hang the asker, and is not started twice")
    func hanging() async {
        let starts = Mutex(0)
        let world = APIWorld(probes: [
            ReadinessProbe("database") {
                starts.withLock { $0 += 1 }
                await withCheckedContinuation { Forever.keep($0) }
                return .ok
            }
        ])
        for _ in 1...2 {
            async let answer = world.call(.get, "/readyz")
            while world.clock.sleeperCount == 0 { await Task.yield() }
            world.clock.advance(by: .seconds(3))
            #expect(await answer.status == 503)
        }
        #expect(starts.withLock { $0 } == 1)
    }

    @Test("a loop that stopped ticking is named")
    func loops() async {
        let clock = ManualClock()
        let start = clock.now()
        let ticks = Mutex([LoopTick(name: "recovery", lastTickAt: nil, since: start, interval: .seconds(10))])
        let probe = ReadinessProbe.loops({ ticks.withLock { $0 } }, clock: clock)
        #expect(await probe.check() == .ok)
        clock.advance(by: .seconds(36))
        guard case .failing(_, let message) = await probe.check() else {
            Issue.record("a loop without a tick for 36 s passes")
            return
        }
        #expect(message.contains("recovery"))
        ticks.withLock { $0 = [LoopTick(name: "recovery", lastTickAt: clock.now(), since: start, interval: .seconds(10))] }
        #expect(await probe.check() == .ok)
    }

    @Test("metrics count requests by pattern, never by what a client wrote")
    func metrics() async throws {
        let tick = LoopTick(
            name: "recovery", lastTickAt: Timestamp(seconds: 1_800_000_000), since: Timestamp(seconds: 1), interval: .seconds(1),
            restarts: 4)
        let world = APIWorld(loops: [tick])
        let id = world.add("Ann") { $0.generation = 3 }
        let labels = WorkspaceLabels(
            workspace: Workspace(id: id, name: "", runtime: "", condition: .init(.online), createdAt: Timestamp(seconds: 1)))
        let orphan = Orphan(
            labels: labels, containerID: nil, cause: .rowMissing, state: .quarantined, createdAt: nil, firstSeenAt: Timestamp(seconds: 1))
        try await world.rows.saveOrphans([orphan], forgetting: [], audit: [])
        world.add("Bob", .failed)
        _ = await world.call(.get, "/workspaces/\(id)")
        _ = await world.call(.get, "/workspaces/\(id)")
        _ = await world.call(.get, "/no/such/\(id)")
        let page = await world.call(.get, "/metrics", bearer: APIWorld.admin)
        #expect(page.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8")
        for line in [
            #"molecule_http_requests_total{method="GET",path="/workspaces/:id",status="200"} 2"#,
            #"molecule_http_requests_total{method="GET",path="unmatched",status="404"} 1"#,
            #"berth_workspaces{status="online"} 1"#, #"berth_workspaces{status="failed"} 1"#, #"berth_workspaces{status="paused"} 0"#,
            #"berth_loop_last_tick_seconds{loop="recovery"} 1800000000"#, "process_start_time_seconds 1800000000",
            #"berth_loop_restarts_total{loop="recovery"} 4"#, "berth_workspace_restarts 2", "berth_provisions_queued 0",
            #"berth_orphans{state="quarantined"} 1"#, #"berth_orphans{state="found"} 0"#,
        ] {
            #expect(page.text.contains(line + "\n"), "\(line)")
        }
        #expect(!page.text.contains(id.text))
        for name in ["process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"] {
            let line = page.text.split(separator: "\n").first { $0.hasPrefix(name + " ") }
            #expect((line?.split(separator: " ").last).flatMap { Double($0) } ?? 0 > 0, "\(name)")
        }
    }
}

/// Continuations that are never resumed within a test: what a hung check looks like.
private enum Forever {
    private static let kept = Mutex<[CheckedContinuation<Void, Never>]>([])
    static func keep(_ continuation: CheckedContinuation<Void, Never>) { kept.withLock { $0.append(continuation) } }
}
