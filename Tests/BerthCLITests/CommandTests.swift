import HTTP
import Model
import TestSupport
import Testing

@testable import berth

@Suite("The commands against a daemon's answers", .timeLimit(.minutes(1)))
struct CommandTests {
    static let id = "11111111-2222-4333-8444-555555555555"
    let recorder = Recorder()

    private func daemon(_ answers: [String: (Int, String)]) -> ScriptedServer { ScriptedServer { $0.answer(answers) } }

    @Test("no daemon is exit code 3, with the next step on standard error and an object on standard output when JSON is asked for")
    func unreachable() async {
        let port = ScriptedServer { _ in }.port
        let code = await recorder.run(["workspaces", "list", "--output", "json"], environment: ["PORT": "\(port)"])
        #expect(code == .unreachable)
        #expect(recorder.error.hasPrefix("error: no berthd answers at http://127.0.0.1:\(port) (daemon_unreachable)\nnext: "))
        #expect(recorder.json?["code"] == "daemon_unreachable")
    }

    @Test(
        "the daemon's refusals become exit codes",
        arguments: [
            (401, "admin_auth_invalid", ExitCode.unauthorised), (404, "workspace_not_found", .notFound),
            (410, "workspace_removed", .notFound),
            (503, "workspace_unavailable", .notOnline), (502, "agent_unreachable", .notOnline), (503, "engine_unavailable", .failed),
            (500, "internal_error", .failed), (400, "invalid_request", .failed),
        ])
    func refusals(status: Int, code: String, exitCode: ExitCode) async {
        let server = daemon(["GET /workspaces/\(Self.id)": (status, "{\"error\":\"a sentence\",\"code\":\"\(code)\",\"next\":\"do this\"}")]
        )
        #expect(await recorder.run(["workspaces", "get", Self.id], against: server) == exitCode)
        #expect(recorder.error.hasPrefix("error: a sentence (\(code))\nnext: "))
        #expect(recorder.out.isEmpty)
    }

    @Test("something that is no berthd is said to be none")
    func stranger() async {
        let server = daemon(["GET /workspaces": (500, "<html>")])
        #expect(await recorder.run(["workspaces", "list"], against: server) == .failed)
        #expect(recorder.error.contains("(unexpected_answer)"))
    }

    @Test("the token of BERTH_TOKEN goes with every request")
    func token() async {
        let server = ScriptedServer { connection in
            connection.note((connection.readHead() ?? "").contains("Authorization: Bearer secret\r\n") ? "with" : "without")
            connection.respond(200, "[]")
        }
        #expect(await recorder.run(["workspaces", "list"], against: server, environment: ["BERTH_TOKEN": "secret"]) == .ok)
        #expect(server.notes.all == ["with"])
        #expect(recorder.out == "no workspaces\n")
    }

    /// A daemon that accepts one create and hands its event stream to `events`, with the stream's number from 1.
    private func creating(events: @escaping @Sendable (ScriptedConnection, Int) -> Void, workspace: String = "{}") -> ScriptedServer {
        let streams = Notes()
        return ScriptedServer { connection in
            while let request = connection.readRequest() {
                if request.head.hasPrefix("POST /workspaces ") {
                    connection.note(request.body)
                    connection.respond(201, "{\"id\":\"\(Self.id)\",\"status\":\"provisioning\"}")
                } else if request.head.contains("/events/stream") {
                    connection.note(
                        request.head.split(separator: "\r\n").first { $0.hasPrefix("Last-Event-ID") }.map(String.init) ?? "from now")
                    streams.add("stream")
                    connection.startEvents()
                    events(connection, streams.all.count)
                    return
                } else {
                    connection.respond(200, workspace)
                }
            }
        }
    }

    @Test("create shows every step, and goes on where a broken stream stopped")
    func create() async {
        let server = creating { connection, stream in
            if stream == 1 {
                connection.send(event: 1, "WORKSPACE_PROVISIONING")
                connection.send(event: 2, "WORKSPACE_PROVISION_PROGRESS", #"{"phase":"image","state":"done","elapsed_ms":400}"#)
            } else {
                connection.send(event: 3, "WORKSPACE_ONLINE")
                connection.waitForClose()
            }
        }
        let code = await recorder.run(
            ["workspaces", "create", "scout", "--template", "echo", "--secret", "A=b", "--tier", "1"], against: server)
        #expect(code == .ok)
        #expect(recorder.out == Self.id + "\n")
        #expect(
            recorder.error
                == "workspace \(Self.id)\nprovisioning started\nimage        done in 0.4 s\nonline       the agent has registered\n")
        #expect(
            server.notes.all == [
                #"{"name":"scout","template":"echo","tier":1,"secrets":{"A":"b"}}"#, "Last-Event-ID: 0", "Last-Event-ID: 2",
            ])
    }

    @Test("a failed create prints the cause, the last log lines and the next step")
    func createFails() async {
        let workspace = #"{"failure":{"code":"container_exited","message":"the container exited","next":"Fix it.","log_tail":"panic!"}}"#
        let server = creating(
            events: { connection, _ in
                connection.send(event: 1, "WORKSPACE_PROVISION_FAILED", #"{"error":"the container exited"}"#)
                connection.waitForClose()
            }, workspace: workspace)
        #expect(await recorder.run(["workspaces", "create", "scout", "--template", "echo"], against: server) == .failed)
        #expect(recorder.error.contains("  | panic!\nerror: the container exited (container_exited)\nnext: Fix it.\n"))
    }

    @Test("an agent that does not come in time is exit code 6")
    func createTimesOut() async {
        let server = creating { connection, _ in connection.waitForClose() }
        #expect(
            await recorder.run(["workspaces", "create", "scout", "--template", "echo", "--timeout", "1"], against: server) == .notOnline)
        #expect(recorder.error.contains("(timed_out)\nnext: The workspace goes on"))
    }

    @Test("an external create prints what the agent needs and does not wait")
    func createExternal() async {
        let answer =
            "{\"id\":\"\(Self.id)\",\"connection\":{\"platform_url\":\"http://p\",\"auth_token\":\"t0k3n\",\"curl_register_template\":\"curl x\"}}"
        let server = daemon(["POST /workspaces": (201, answer)])
        #expect(await recorder.run(["workspaces", "create", "ext", "--external"], against: server) == .ok)
        #expect(recorder.out.contains("auth token    t0k3n\n"))
        #expect(recorder.out.hasSuffix("curl x\n"))
    }

    @Test("send posts message/send and prints the reply's text")
    func send() async throws {
        let server = ScriptedServer { connection in
            while let request = connection.readRequest() {
                if request.head.hasPrefix("GET /workspaces ") {
                    connection.respond(200, "[{\"id\":\"\(Self.id)\",\"name\":\"scout\"}]")
                } else {
                    connection.note(request.body)
                    connection.respond(
                        200, #"{"jsonrpc":"2.0","id":"1","result":{"kind":"message","parts":[{"kind":"text","text":"echo: hi"}]}}"#)
                }
            }
        }
        #expect(await recorder.run(["workspaces", "send", "scout", "hi"], against: server) == .ok)
        #expect(recorder.out == "echo: hi\n")
        let body = try JSONValue(parsing: server.notes.all.first ?? "")
        #expect(body["method"] == "message/send")
        #expect(body["params"]?["message"]?["parts"] == [["kind": "text", "text": "hi"]])
        #expect(body["params"]?["message"]?["messageId"]?.string.flatMap(UUIDText.canonical) != nil)
    }

    @Test("an error of the agent is exit code 1 with its words")
    func agentError() async {
        let answer = #"{"jsonrpc":"2.0","id":"1","error":{"code":-32601,"message":"method not found"}}"#
        let server = daemon(["POST /workspaces/\(Self.id)/a2a": (200, answer)])
        #expect(await recorder.run(["workspaces", "send", Self.id, "hi"], against: server) == .failed)
        #expect(recorder.error == "error: the agent answered with error -32601: method not found (agent_error)\n")
    }

    @Test("a delete that needs confirmation says how to give it")
    func deleteParent() async {
        let server = daemon([
            "DELETE /workspaces/\(Self.id)": (409, #"{"error":"has children","code":"confirmation_required"}"#),
            "DELETE /workspaces/\(Self.id)?confirm=true": (200, #"{"status":"removed","cascade_deleted":2}"#),
        ])
        #expect(await recorder.run(["workspaces", "delete", Self.id, "--yes"], against: server) == .failed)
        #expect(recorder.error.contains("--cascade"))
        #expect(await recorder.run(["workspaces", "delete", Self.id, "--cascade", "--output", "json"], against: server) == .ok)
        #expect(recorder.json?["cascade_deleted"] == 2)
    }

    @Test("status is exit code 1 while a check fails")
    func status() async {
        let server = daemon([
            "GET /healthz": (200, #"{"status":"ok","version":"9.9"}"#),
            "GET /workspaces": (200, #"[{"status":"online"},{"status":"online"}]"#),
            "GET /readyz": (503, #"{"checks":[{"name":"database","status":"ok"},{"name":"engine","status":"failing","error":"gone"}]}"#),
        ])
        #expect(await recorder.run(["status"], against: server) == .failed)
        #expect(recorder.out.contains("berthd 9.9 at"))
        #expect(recorder.out.contains("failing: gone"))
        #expect(recorder.out.hasSuffix("workspaces  2 online\n"))
    }

    @Test("doctor names each failure with a next step")
    func doctor() async {
        let server = daemon([
            "GET /healthz": (200, #"{"version":"9.9"}"#), "GET /workspaces": (401, #"{"error":"no","code":"admin_auth_invalid"}"#),
        ])
        let environment = ["DOCKER_HOST": "unix:///nonexistent/docker.sock", "CONFIGS_DIR": "/nonexistent/templates"]
        #expect(await recorder.run(["doctor", "--output", "json"], against: server, environment: environment) == .failed)
        let findings = recorder.json?.array ?? []
        for name in ["token", "access", "engine", "templates"] {
            let finding = findings.first { $0["check"]?.string == name }
            #expect(finding?["verdict"] == "failed", "\(name)")
            #expect(finding?["next"]?.string?.isEmpty == false, "\(name)")
        }
        #expect(findings.first { $0["check"] == "daemon" }?["verdict"] == "ok")
    }

    @Test("a running process that is no berthd is never taken for one")
    func foreignProcess() {
        #expect(DaemonProcess(stateDirectory: "/nonexistent").runningID == nil)
    }

    @Test("lint's exit code tells good templates from bad ones")
    func lint() async {
        #expect(await recorder.run(["templates", "lint", "/nonexistent/template"]) == .failed)
        #expect(recorder.out.contains("error: there is no such file or directory"))
    }
}
