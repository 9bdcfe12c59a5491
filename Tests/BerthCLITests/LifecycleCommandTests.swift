import HTTP
import Model
import TestSupport
import Testing

@testable import berth

@Suite("The commands of a workspace's life", .timeLimit(.minutes(1)))
struct LifecycleCommandTests {
    static let id = "11111111-2222-4333-8444-555555555555"
    static let parent = "22222222-2222-4333-8444-555555555555"
    let recorder = Recorder()

    /// Answers by `METHOD path`, and keeps the bodies that came.
    private func daemon(_ answers: [String: (Int, String)]) -> ScriptedServer {
        ScriptedServer { connection in
            while let request = connection.readRequest() {
                let line = request.head.split(separator: " ").prefix(2).joined(separator: " ")
                if !request.body.isEmpty { connection.note(request.body) }
                let (status, body) = answers[line] ?? (404, #"{"error":"no such route","code":"not_found"}"#)
                connection.respond(status, headers: ["Content-Type: application/json"], body)
            }
        }
    }

    @Test(
        "each verb posts to its route and says what came of it",
        arguments: [
            (["pause"], "pause", #"{"status":"paused","paused_count":2}"#, "paused 2\n"),
            (["resume"], "resume", #"{"status":"provisioning","resumed_count":3}"#, "starting 3; "),
            (["hibernate"], "hibernate", #"{"status":"hibernated"}"#, "hibernated \(id)\n"),
            (["hibernate", "--force"], "hibernate?force=true", #"{"status":"hibernated"}"#, "hibernated \(id)\n"),
            (["cancel"], "cancel", #"{"status":"failed"}"#, "cancelled the start of \(id)\n"),
        ])
    func verbs(words: [String], path: String, answer: String, text: String) async {
        let server = daemon(["POST /workspaces/\(Self.id)/\(path)": (200, answer)])
        let line = ["workspaces", words[0], Self.id] + words.dropFirst()
        #expect(await recorder.run(line, against: server) == .ok)
        #expect(recorder.out.hasPrefix(text))
        let json = Recorder()
        #expect(await json.run(line + ["--output", "json"], against: server) == .ok)
        #expect(json.out == answer + "\n")
    }

    @Test("a refusal keeps its code and becomes an exit code")
    func refused() async {
        let server = daemon([
            "POST /workspaces/\(Self.id)/pause": (404, #"{"error":"already paused","code":"wrong_state"}"#),
            "POST /workspaces/\(Self.id)/hibernate": (409, #"{"error":"at work","code":"tasks_active","active_tasks":1}"#),
        ])
        #expect(await recorder.run(["workspaces", "pause", Self.id], against: server) == .notFound)
        #expect(await recorder.run(["workspaces", "hibernate", Self.id], against: server) == .failed)
        #expect(recorder.error.contains("at work (tasks_active)\nnext: Wait until it is done, or repeat with --force.\n"))
    }

    @Test("update sends what was given, clears what is said to be none, and tells when a restart is needed")
    func update() async {
        let server = daemon([
            "GET /workspaces": (200, "[{\"id\":\"\(Self.parent)\",\"name\":\"lead\"}]"),
            "PATCH /workspaces/\(Self.id)": (200, #"{"status":"updated","needs_restart":true}"#),
        ])
        let line = [
            "workspaces", "update", Self.id, "--name", "scout", "--role", "", "--tier", "1", "--hibernate-after", "30", "--max-tasks=4",
            "--parent", "lead", "--workspace-dir", "none",
        ]
        #expect(await recorder.run(line, against: server) == .ok)
        #expect(recorder.out == "updated \(Self.id); it shows after 'berth workspaces restart \(Self.id)'\n")
        _ = await recorder.run(["workspaces", "update", Self.id, "--hibernate-after", "never", "--parent", "none"], against: server)
        #expect(
            server.notes.all == [
                #"{"name":"scout","role":"","tier":1,"max_concurrent_tasks":4,"workspace_dir":null,"#
                    + "\"parent_id\":\"\(Self.parent)\",\"hibernation_idle_minutes\":30}",
                #"{"parent_id":null,"hibernation_idle_minutes":null}"#,
            ])
    }

    @Test(
        "an update that changes nothing, or by no number, is a usage error",
        arguments: [[], ["--hibernate-after", "soon"], ["--tier", "x"]])
    func emptyUpdate(options: [String]) async {
        #expect(await recorder.run(["workspaces", "update", Self.id] + options, against: daemon([:])) == .usage)
    }

    /// A daemon that accepts a restart whose story begins after event 7.
    private func restarting(_ events: @escaping @Sendable (ScriptedConnection) -> Void) -> ScriptedServer {
        ScriptedServer { connection in
            while let request = connection.readRequest() {
                if request.head.hasPrefix("POST ") {
                    connection.note(request.body)
                    connection.respond(200, #"{"status":"provisioning","generation":2,"last_event_id":7}"#)
                } else if request.head.contains("/events/stream") {
                    connection.note(
                        request.head.split(separator: "\r\n").first { $0.hasPrefix("Last-Event-ID") }.map(String.init) ?? "from now")
                    connection.startEvents()
                    events(connection)
                    return
                } else {
                    connection.respond(200, #"{"provision_timeout_ms":600000}"#)
                }
            }
        }
    }

    @Test("restart follows what happens after its own beginning, with the place in the queue and the time that is left")
    func restart() async {
        let server = restarting { connection in
            connection.send(event: 8, "WORKSPACE_PROVISIONING")
            connection.send(event: 9, "WORKSPACE_PROVISION_PROGRESS", #"{"phase":"queue","state":"waiting","position":2}"#)
            connection.send(event: 10, "WORKSPACE_PROVISION_PROGRESS", #"{"phase":"agent","state":"started","elapsed_ms":2000}"#)
            connection.send(event: 11, "WORKSPACE_ONLINE")
            connection.waitForClose()
        }
        let line = ["workspaces", "restart", Self.id, "--template", "echo", "--apply-template", "--reset"]
        #expect(await recorder.run(line, against: server) == .ok)
        #expect(server.notes.all == [#"{"template":"echo","apply_template":true,"reset":true}"#, "Last-Event-ID: 7"])
        #expect(recorder.out == Self.id + "\n")
        #expect(
            recorder.error == """
                provisioning started
                queue        waiting for its turn, number 2 in line
                agent        waiting for it to register, 9 min 58 s left
                online       the agent has registered

                """)
    }

    @Test("a restart that is paused meanwhile is not waited for any longer")
    func stoppedMeanwhile() async {
        let server = restarting { connection in
            connection.send(event: 8, "WORKSPACE_PAUSED")
            connection.waitForClose()
        }
        #expect(await recorder.run(["workspaces", "restart", Self.id], against: server) == .notOnline)
        #expect(recorder.error.contains("next: 'berth workspaces resume \(Self.id)' starts it again.\n"))
    }

    @Test("with --no-wait a restart returns at once")
    func restartWithoutWaiting() async {
        let server = restarting { $0.waitForClose() }
        #expect(await recorder.run(["workspaces", "restart", Self.id, "--no-wait", "--output=json"], against: server) == .ok)
        #expect(recorder.json?["generation"] == 2)
        #expect(server.notes.all == ["{}"])
    }

    @Test("inspect reads well, and an empty drift is said")
    func inspect() async {
        let answer = """
            {"id":"\(Self.id)","name":"scout","status":"online","desired_state":"running","actual_state":"exited","volumes":["v1"],
            "container":{"id":"c1","exit_code":3,"oom_killed":true,"restart_count":2,"image":{"name":"echo:1","digests":["d"]},
            "limits":{"memory_bytes":512000000,"nano_cpus":1500000000,"pids":64},
            "mounts":[{"type":"bind","target":"/workspace","source":"/srv","read_only":true}],
            "ports":[{"container":"8000/tcp","host_address":"127.0.0.1","host_port":32768}],"labels":{"a":"b"},"environment":["A","B"]},
            "drift":[{"field":"state","wanted":"running","actual":"exited"}]}
            """
        let server = daemon(["GET /workspaces/\(Self.id)/inspect": (200, answer)])
        #expect(await recorder.run(["workspaces", "inspect", Self.id], against: server) == .ok)
        for line in [
            "should be  running", "  exit code      3", "  out of memory  yes", "  memory         512.0 MB", "  cpus           1.5",
            "  mount          bind /srv at /workspace (read only)", "  port           8000/tcp at 127.0.0.1:32768",
            "  label          a=b", "  environment    A, B", "state  running    exited",
        ] { #expect(recorder.out.contains(line + "\n"), "\(line)") }
        #expect(InspectionText.details(["drift": []]).hasSuffix("nothing differs from what it should be"))
    }

    @Test("operations show the place in the queue and why one failed")
    func operations() async {
        let answer = """
            {"operations":[{"id":2,"kind":"restart","state":"queued","position":3,"requested_at":"T2"},
            {"id":1,"kind":"create","state":"failed","code":"image_not_found","reason":"no image","requested_at":"T1","ended_at":"T2"}]}
            """
        let server = daemon(["GET /workspaces/\(Self.id)/operations?limit=5": (200, answer)])
        #expect(await recorder.run(["workspaces", "operations", Self.id, "--limit", "5"], against: server) == .ok)
        #expect(recorder.out.contains("2       restart  queued, number 3 in line  T2     -      -\n"))
        #expect(recorder.out.contains("image_not_found: no image\n"))
    }
}

@Suite("The commands about orphans", .timeLimit(.minutes(1)))
struct OrphanCommandTests {
    static let id = "11111111-2222-4333-8444-555555555555"
    let recorder = Recorder()

    private static let report = """
        {"mode":"enforce","banner":"the database is new\\u0007 here","hold_until":"T9","orphans":[{"id":"\(id)","name":"scout","state":"found",
        "cause":"database_new","running":true,"volumes":["v1","v2"],"next":"it is quarantined","next_at":"T9"}],
        "strangers":[{"container_id":"c0123456789abcdef","name":"ws-other","state":"running","instance":null}]}
        """

    /// A daemon with one orphan, which keeps what it is told to do.
    private func daemon(_ outcome: String = #"{"succeeded":1,"failed":0,"dry_run":false,"outcomes":[]}"#) -> ScriptedServer {
        ScriptedServer { connection in
            while let request = connection.readRequest() {
                if request.head.hasPrefix("GET /admin/orphans ") {
                    connection.respond(200, Self.report)
                } else {
                    connection.note(request.head.split(separator: " ")[1] + " " + request.body)
                    connection.respond(200, outcome)
                }
            }
        }
    }

    @Test("the list begins with what must be read, and shows what happens next")
    func list() async {
        #expect(await recorder.run(["orphans", "list"], against: daemon()) == .ok)
        #expect(recorder.out.hasPrefix("ATTENTION: the database is new\u{FFFD} here\n\nnothing is touched before T9\n\nID  "))
        #expect(recorder.out.contains("11111111  scout  found  database_new  yes   2        T9 it is quarantined\n"))
        #expect(recorder.out.contains("not ours, never touched:\n"))
        #expect(recorder.out.contains("c0123456789a  ws-other  running  -\n"))
        #expect(OrphanText.report(["orphans": []]) == "no orphans")
    }

    @Test(
        "orphans are meant by id, by name, or all of them",
        arguments: [
            (["scout"], "{\"dry_run\":false,\"ids\":[\"\(id)\"]}"), (["1111"], "{\"dry_run\":false,\"ids\":[\"\(id)\"]}"),
            ([id, "scout"], "{\"dry_run\":false,\"ids\":[\"\(id)\",\"\(id)\"]}"), (["--all"], #"{"dry_run":false}"#),
            (["--all", "--dry-run"], #"{"dry_run":true}"#),
        ])
    func acts(words: [String], body: String) async {
        for act in ["adopt", "restore", "confirm"] {
            let server = daemon()
            #expect(await recorder.run(["orphans", act] + words, against: server) == .ok)
            #expect(server.notes.all == ["/admin/orphans/\(act) \(body)"])
        }
    }

    @Test("an act on nothing, or on some and all, is a usage error, and an unknown name is not found")
    func refused() async {
        let server = daemon()
        #expect(await recorder.run(["orphans", "adopt"], against: server) == .usage)
        #expect(recorder.error.contains("--all"))
        #expect(await recorder.run(["orphans", "adopt", "scout", "--all"], against: server) == .usage)
        #expect(await recorder.run(["orphans", "adopt", "nobody"], against: server) == .notFound)
        #expect(recorder.error.contains("(orphan_not_found)\nnext: 'berth orphans list' shows what there is.\n"))
        #expect(server.notes.all.isEmpty)
    }

    @Test("a purge where nobody can be asked needs --yes, a dry run does not")
    func purge() async {
        let server = daemon()
        #expect(await recorder.run(["orphans", "purge", "--all"], against: server) == .usage)
        #expect(recorder.error.contains("(not_confirmed)\nnext: Look with --dry-run, then repeat with --yes.\n"))
        #expect(server.notes.all.isEmpty)
        #expect(await recorder.run(["orphans", "purge", "--all", "--dry-run"], against: server) == .ok)
        #expect(await recorder.run(["orphans", "purge", "scout", "--yes"], against: server) == .ok)
        #expect(server.notes.all.count == 2)
    }

    @Test("one orphan that could not be helped is exit code 1, with its reason beside the others")
    func partly() async {
        let outcome = """
            {"failed":1,"dry_run":true,"outcomes":[{"id":"\(Self.id)","name":"scout","did":"would be adopted"},
            {"id":"2","name":"old","did":"","error":"only volumes","code":"orphan_has_no_container","next":"Purge it."}]}
            """
        #expect(await recorder.run(["orphans", "adopt", "--all"], against: daemon(outcome)) == .failed)
        #expect(recorder.out.contains("11111111  scout  would be adopted\n"))
        #expect(recorder.out.contains("failed: only volumes (orphan_has_no_container) - Purge it.\n\ndry run: nothing was changed\n"))
    }

    @Test("the audit asks from where the reader stopped")
    func audit() async {
        let answer = #"{"events":[{"sequence":8,"at":"T1","event":"ORPHAN_ADOPTED","workspace_id":null,"payload":{"a":1}}],"last":8}"#
        let server = ScriptedServer { $0.answer(["GET /admin/audit?after=7&limit=5": (200, answer)]) }
        #expect(await recorder.run(["audit", "--after", "7", "--limit", "5"], against: server) == .ok)
        #expect(recorder.out.contains("8       T1  ORPHAN_ADOPTED  -          {\"a\":1}\n"))
    }

    @Test("status and doctor show the banner, the loops and the orphans")
    func status() async {
        let liveness =
            #"{"subsystems":{"reconcile":{"seconds_ago":3,"stale":false,"restarts":0,"last_error":null},"sweep":{"seconds_ago":null,"stale":true,"#
            + #""restarts":1,"last_error":"engine_timeout"}},"banner":"the database is new here"}"#
        let server = ScriptedServer {
            $0.answer([
                "GET /healthz": (200, #"{"version":"9.9"}"#),
                "GET /workspaces": (
                    200, #"[{"name":"bob","status":"failed","failure":{"code":"crash_loop"}},{"name":"ann","status":"online"}]"#
                ),
                "GET /readyz": (503, #"{"checks":[{"name":"loops","status":"failing","error":"no fresh round"}]}"#),
                "GET /admin/liveness": (200, liveness), "GET /admin/orphans": (200, Self.report),
            ])
        }
        #expect(await recorder.run(["status"], against: server) == .failed)
        #expect(recorder.out.hasPrefix("ATTENTION: the database is new"))
        for line in [
            "loops        1 of 2 do not run as they should", "  reconcile  last round 3 s ago",
            "  sweep      stale, no round yet, started again 1 time, last error: engine_timeout",
            "orphans      1 found; held until T9: berth orphans list",
        ] { #expect(recorder.out.contains(line + "\n"), "\(line)") }
        let doctor = Recorder()
        _ = await doctor.run(["doctor", "--output", "json"], against: server)
        let findings = doctor.json?.array ?? []
        func verdict(_ name: String) -> String? { findings.first { $0["check"]?.string == name }?["verdict"]?.string }
        #expect(verdict("loop: reconcile") == "ok" && verdict("loop: sweep") == "failed")
        #expect(findings.first { $0["check"] == "workspaces" }?["message"] == "failed: bob (crash_loop)")
        #expect(verdict("attention") == "warning" && verdict("orphans") == "warning")
        #expect(findings.allSatisfy { $0["verdict"] == "ok" || $0["next"]?.string?.isEmpty == false })
    }
}
