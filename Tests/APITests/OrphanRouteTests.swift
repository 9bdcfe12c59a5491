import API
import HTTP
import Model
import TestSupport
import Testing

@Suite("Orphans, the audit and the loops over the wire")
struct OrphanRouteTests {
    private static let first = WorkspaceID("11111111-2222-4333-8444-555555555555")!
    private static let second = WorkspaceID("22222222-2222-4333-8444-555555555555")!

    private func orphan(_ id: WorkspaceID, _ state: Orphan.State = .found) -> Orphan {
        let row = Workspace(id: id, name: "Ann", runtime: "echo", condition: .init(.online), createdAt: Timestamp(seconds: 1))
        return Orphan(
            labels: WorkspaceLabels(workspace: row), containerID: "c1", cause: .databaseNew, state: state,
            createdAt: Timestamp(seconds: 1_800_000_000), firstSeenAt: Timestamp(seconds: 1_800_000_060))
    }

    private func report(banner: String? = nil) -> OrphanReport {
        var stranger = ContainerFacts(id: "c9", name: "ws-other", labels: [WorkspaceLabels.instance: "them"], state: .running)
        stranger.image = "x:1"
        let entry = OrphanReport.Entry(
            orphan: orphan(Self.first), running: true, volumes: ["v1"], next: "it is quarantined", nextAt: Timestamp(seconds: 1_800_001_800)
        )
        return OrphanReport(
            mode: "enforce", banner: banner, holdUntil: Timestamp(seconds: 1_800_001_800), entries: [entry], strangers: [stranger])
    }

    @Test("the report shows each orphan with what happens next, and strangers apart")
    func list() async {
        let world = APIWorld()
        world.orphans.set(report(banner: "the database is new here"))
        let answer = await world.call(.get, "/admin/orphans", bearer: APIWorld.admin)
        let (made, seen, next) = ("2027-01-15T08:00:00.000000Z", "2027-01-15T08:01:00.000000Z", "2027-01-15T08:30:00.000000Z")
        #expect(
            answer.text
                == #"{"mode":"enforce","banner":"the database is new here","hold_until":"\#(next)","orphans":[{"id":"\#(Self.first)","#
                + #""name":"Ann","state":"found","cause":"database_new","runtime":"echo","template":"","tier":2,"parent_id":null,"#
                + #""generation":0,"container_id":"c1","running":true,"volumes":["v1"],"created_at":"\#(made)","first_seen_at":"\#(seen)","#
                + #""quarantined_at":null,"next":"it is quarantined","next_at":"\#(next)"}],"strangers":[{"container_id":"c9","#
                + #""name":"ws-other","state":"running","image":"x:1","instance":"them"}]}"#)
    }

    @Test("nothing about orphans is for agents or for anybody without a token")
    func forAdmins() async {
        let world = APIWorld()
        let id = world.add("Ann")
        let routes: [(HTTP.Method, String)] =
            [(.get, "/admin/orphans"), (.get, "/admin/audit"), (.get, "/admin/liveness")]
            + OrphanAct.allCases.map { (.post, "/admin/orphans/\($0.rawValue)") }
        for (method, path) in routes {
            #expect(await world.call(method, path, body: "{}").status == 401, "\(path)")
            #expect(await world.call(method, path, bearer: "token-of-\(id)", body: "{}").status == 401, "\(path)")
            #expect(await world.call(method, path, at: .agents, bearer: "token-of-\(id)", body: "{}").status == 404, "\(path)")
        }
        #expect(world.orphans.orders.isEmpty)
    }

    @Test("an act reaches the keeper as it was asked, and each outcome comes back", arguments: OrphanAct.allCases)
    func act(_ act: OrphanAct) async {
        let world = APIWorld()
        let refusal = Failure(.orphanHasNoContainer, "only volumes are left", next: "Purge it.")
        world.orphans.answer([
            OrphanOutcome(id: Self.first, name: "Ann", did: "did it"),
            OrphanOutcome(id: Self.second, name: "Bob", did: "nothing", failure: refusal),
        ])
        let body = #"{"ids":["\#(Self.first)","\#(Self.second)","\#(Self.first)"],"dry_run":true}"#
        let answer = await world.call(.post, "/admin/orphans/\(act.rawValue)", bearer: APIWorld.admin, body: body)
        #expect(world.orphans.orders == [.init(act: act, ids: [Self.first, Self.second], dryRun: true)])
        #expect(
            answer.text
                == #"{"act":"\#(act.rawValue)","dry_run":true,"succeeded":1,"failed":1,"outcomes":[{"id":"\#(Self.first)","name":"Ann","did":"did it"},"#
                + #"{"id":"\#(Self.second)","name":"Bob","did":"nothing","error":"only volumes are left","code":"orphan_has_no_container","next":"Purge it."}]}"#
        )
        _ = await world.call(.post, "/admin/orphans/\(act.rawValue)", bearer: APIWorld.admin, body: "{}")
        #expect(world.orphans.orders.last == .init(act: act, ids: nil, dryRun: false))
    }

    @Test(
        "an act that cannot be read does nothing, and an empty body is no order to act on everything",
        arguments: [
            "", "[]", #"{"ids":"x"}"#, #"{"ids":[1]}"#, #"{"ids":["nonsense"]}"#, #"{"dry_run":"yes"}"#,
            #"{"id":["11111111-2222-4333-8444-555555555555"]}"#,
        ])
    func malformed(body: String) async {
        let world = APIWorld()
        let answer = await world.call(.post, "/admin/orphans/purge", bearer: APIWorld.admin, body: body)
        #expect(answer.status == 400 && answer.code == "invalid_request")
        #expect(world.orphans.orders.isEmpty)
    }

    @Test("an id that is no orphan is 404")
    func unknown() async {
        let world = APIWorld()
        world.orphans.refuse(Failure(.orphanNotFound, "no such orphan"))
        let answer = await world.call(.post, "/admin/orphans/adopt", bearer: APIWorld.admin, body: #"{"ids":["\#(Self.first)"]}"#)
        #expect(answer.status == 404 && answer.code == "orphan_not_found")
    }

    @Test("the audit comes in its order, from where the reader stopped")
    func audit() async throws {
        let world = APIWorld()
        let events = [AuditEvent.Kind.orphanFound, .orphanQuarantined, .orphanPurged].map {
            AuditEvent(
                kind: $0, workspaceID: $0 == .orphanFound ? nil : Self.first, at: Timestamp(seconds: 1_800_000_000),
                payload: ["by": "sweep"])
        }
        try await world.rows.saveOrphans([], forgetting: [], audit: events)
        let page = await world.call(.get, "/admin/audit?after=1&limit=1", bearer: APIWorld.admin)
        #expect(
            page.text
                == #"{"events":[{"sequence":2,"event":"ORPHAN_QUARANTINED","workspace_id":"\#(Self.first)","at":"2027-01-15T08:00:00.000000Z","payload":{"by":"sweep"}}],"last":2}"#
        )
        #expect(await world.call(.get, "/admin/audit", bearer: APIWorld.admin).json["events"]?.array?.count == 3)
        #expect(await world.call(.get, "/admin/audit?after=3", bearer: APIWorld.admin).text == #"{"events":[],"last":3}"#)
        for query in ["after=-1", "after=x", "limit=0", "limit=1001"] {
            #expect(await world.call(.get, "/admin/audit?\(query)", bearer: APIWorld.admin).status == 400, "\(query)")
        }
    }

    @Test("liveness covers every loop, and carries the banner")
    func liveness() async {
        let now = Timestamp(seconds: 1_800_000_000)
        let world = APIWorld(loops: [
            LoopTick(
                name: "reconcile", lastTickAt: Timestamp(seconds: 1_799_999_990), since: Timestamp(seconds: 1), interval: .seconds(30)),
            LoopTick(
                name: "sweep", lastTickAt: nil, since: Timestamp(seconds: 1), interval: .milliseconds(1500), restarts: 2,
                lastError: "engine_timeout: too slow"),
        ])
        #expect(world.clock.now() == now)
        #expect(
            await world.call(.get, "/admin/liveness", bearer: APIWorld.admin).text
                == #"{"subsystems":{"reconcile":{"last_tick_at":"2027-01-15T07:59:50.000000Z","seconds_ago":10,"expected_interval_seconds":30,"#
                + #""stale":false,"restarts":0,"last_error":null},"sweep":{"last_tick_at":null,"seconds_ago":null,"expected_interval_seconds":1.5,"#
                + #""stale":true,"restarts":2,"last_error":"engine_timeout: too slow"}},"banner":null}"#)
        world.orphans.set(report(banner: "look here"))
        #expect(await world.call(.get, "/admin/liveness", bearer: APIWorld.admin).json["banner"] == "look here")
    }
}
