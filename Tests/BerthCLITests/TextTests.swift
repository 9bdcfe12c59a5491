import HTTP
import Model
import Testing

@testable import berth

@Suite("What the command line prints")
struct TextTests {
    private func event(_ type: String, _ data: String = "{}") -> WatchedEvent {
        guard let event = WatchedEvent(ServerSentEvent(data: "{\"type\":\"\(type)\",\"timestamp\":1,\"data\":\(data)}")) else {
            preconditionFailure("the test's event is broken")
        }
        return event
    }

    private func progress(_ phase: String, _ state: String, _ more: String = "") -> WatchedEvent {
        event("WORKSPACE_PROVISION_PROGRESS", "{\"phase\":\"\(phase)\",\"state\":\"\(state)\",\"elapsed_ms\":420\(more)}")
    }

    @Test("away from a terminal each phase is one plain line, and a pull speaks once per tenth")
    func plainProgress() {
        var text = ProgressText(isTerminal: false)
        var written = ""
        for event in [
            event("WORKSPACE_PROVISIONING"), progress("image", "started"),
            progress("image", "progress", ",\"status\":\"Downloading\",\"done_bytes\":10,\"total_bytes\":1000"),
            progress("image", "progress", ",\"status\":\"Downloading\",\"done_bytes\":20,\"total_bytes\":1000"),
            progress("image", "progress", ",\"status\":\"Downloading\",\"done_bytes\":500,\"total_bytes\":1000"),
            progress("image", "done"), progress("agent", "started"), event("WORKSPACE_HEARTBEAT"), event("WORKSPACE_ONLINE"),
        ] { written += text.text(for: event) }
        #expect(
            written == """
                provisioning started
                image        Downloading 10 B of 1.0 kB
                image        Downloading 500 B of 1.0 kB
                image        done in 0.4 s
                agent        waiting for it to register
                online       the agent has registered

                """)
        #expect(text.finish() == "")
    }

    @Test("on a terminal a phase redraws its line and ends it once")
    func terminalProgress() {
        var text = ProgressText(isTerminal: true)
        let rewind = "\r\u{1B}[2K"
        #expect(text.text(for: progress("image", "started")) == rewind + "image        ...")
        #expect(text.text(for: progress("image", "progress", ",\"done_bytes\":5,\"total_bytes\":0")) == rewind + "image        5 B")
        #expect(text.text(for: progress("image", "done")) == rewind + "image        done in 0.4 s\n")
        #expect(text.text(for: progress("agent", "started")) == rewind + "agent        waiting for it to register")
        #expect(text.finish() == "\n")
    }

    @Test("an agent that registers before its container's start is told ends that step, too")
    func quickAgent() {
        var text = ProgressText(isTerminal: false)
        var written = ""
        for event in [progress("copy", "started"), progress("copy", "done"), progress("start", "started"), event("WORKSPACE_ONLINE")] {
            written += text.text(for: event)
        }
        #expect(written == "copy         done in 0.4 s\nstart        done\nonline       the agent has registered\n")
    }

    @Test("the wait for the agent counts down, and a pull that moves does not count")
    func countdown() {
        var text = ProgressText(isTerminal: true, provisionTimeoutMilliseconds: 61_000)
        let rewind = "\r\u{1B}[2K"
        #expect(text.secondPassed() == "")
        _ = text.text(for: event("WORKSPACE_PROVISION_PROGRESS", #"{"phase":"image","state":"done","elapsed_ms":30000}"#))
        let started = event("WORKSPACE_PROVISION_PROGRESS", #"{"phase":"agent","state":"started","elapsed_ms":31000}"#)
        #expect(text.text(for: started) == rewind + "agent        waiting for it to register, 1 min 0 s left")
        #expect(text.secondPassed() == rewind + "agent        waiting for it to register, 59 s left")
        #expect(text.text(for: event("WORKSPACE_ONLINE")) == rewind + "online       the agent has registered\n")
        #expect(text.secondPassed() == "", "nobody waits any longer")
    }

    @Test("a queue shows the place in it, and the events of a whole life are told")
    func life() {
        var text = ProgressText(isTerminal: false)
        var written = ""
        for event in [
            event("WORKSPACE_PROVISION_PROGRESS", #"{"phase":"queue","state":"waiting","position":2}"#),
            event("WORKSPACE_PROVISION_PROGRESS", #"{"phase":"queue","state":"waiting","position":1}"#),
            event("WORKSPACE_PROVISION_PROGRESS", #"{"phase":"restart","state":"started","reason":"it had ended"}"#),
            event("WORKSPACE_PROVISION_PROGRESS", #"{"phase":"restart","state":"skipped","reason":"it runs"}"#),
            event("WORKSPACE_UPDATED", #"{"name":"scout"}"#), event("WORKSPACE_PAUSED"), event("WORKSPACE_HIBERNATED"),
            event("WORKSPACE_ADOPTED"),
        ] { written += text.text(for: event) }
        #expect(
            written == """
                queue        waiting for its turn, number 2 in line
                queue        waiting for its turn, number 1 in line
                restart      it had ended
                restart      skipped: it runs
                updated
                paused
                hibernated   the next message wakes it
                adopted      its row was made from its container's labels

                """)
    }

    @Test("a failure is shown with its code, exit code, next step and log lines, and cannot steer the terminal")
    func failure() throws {
        let workspace = try JSONValue(
            parsing: """
                {"id":"x","name":"a\\u001b[31m","status":"failed","role":null,"failure":{"code":"container_exited","message":"the container exited",
                "next":"Look at its logs.","exit_code":3,"log_tail":"one\\ntwo\\u0007","at":"2026-01-01T00:00:00Z"}}
                """)
        let text = WorkspaceText.details(workspace)
        #expect(text.contains("failed     the container exited\ncode       container_exited\nexit code  3\n"))
        #expect(text.contains("next       Look at its logs.\nlast lines of its container:\n  | one\n  | two\u{FFFD}"))
        #expect(!text.unicodeScalars.contains("\u{1B}"))
        #expect(!text.contains("role"))
    }

    @Test(
        "a reply's words are found in every form of A2A",
        arguments: [
            (
                #"{"kind":"message","parts":[{"kind":"text","text":"hi"},{"kind":"data","data":{}},{"kind":"text","text":"you"}]}"#,
                "hi\nyou"
            ),
            (
                #"{"kind":"task","status":{"state":"completed","message":{"parts":[{"text":"busy"}]}},"artifacts":[{"parts":[{"text":"done"}]}]}"#,
                "done"
            ),
            (#"{"kind":"task","status":{"state":"input-required","message":{"parts":[{"text":"which?"}]}}}"#, "which?"),
            (#"{"message":{"role":"ROLE_AGENT","parts":[{"text":"one point oh"}]}}"#, "one point oh"),
            (#"{"task":{"status":{"state":"TASK_STATE_WORKING"}}}"#, "(no text; the task is TASK_STATE_WORKING)"), ("{}", "(no text)"),
        ])
    func reply(json: String, text: String) throws {
        #expect(AgentReply.text(of: try JSONValue(parsing: json)) == text)
    }

    @Test("a streamed artifact is written on, other results begin a line")
    func streamedReply() throws {
        var stream = AgentReply.Stream()
        var written = ""
        for json in [
            #"{"kind":"task","status":{"state":"submitted"}}"#,
            #"{"kind":"status-update","status":{"state":"working","message":{"parts":[{"text":"thinking"}]}}}"#,
            #"{"kind":"artifact-update","artifact":{"parts":[{"text":"Hel"}]}}"#,
            #"{"kind":"artifact-update","append":true,"artifact":{"parts":[{"text":"lo"}]}}"#,
            #"{"statusUpdate":{"status":{"state":"TASK_STATE_COMPLETED"}}}"#,
        ] { written += stream.text(for: try JSONValue(parsing: json)) }
        #expect(written + stream.finish() == "thinking\nHello\n")
    }

    @Test("a workspace is meant by its name or the beginning of its id, and only when that is one")
    func reference() throws {
        let all =
            try JSONValue(
                parsing: #"[{"id":"aa11","name":"one"},{"id":"aa22","name":"two"},{"id":"bb33","name":"aa"},{"id":"cc44","name":"one"}]"#
            ).array ?? []
        func pick(_ text: String) throws -> String? { try WorkspaceReference.pick(text, from: all)["id"]?.string }
        #expect(try pick("two") == "aa22")
        #expect(try pick("AA1") == "aa11")
        #expect(try pick("aa") == "bb33")
        #expect(#expect(throws: CommandError.self) { try pick("a") }?.code == "ambiguous")
        #expect(#expect(throws: CommandError.self) { try pick("one") }?.message.contains("aa11, cc44") == true)
        #expect(#expect(throws: CommandError.self) { try pick("zz") }?.exitCode == .notFound)
    }

    @Test("durations, sizes and tables read well")
    func human() {
        #expect([0, 449, 59_949, 125_000].map(Human.duration) == ["0.0 s", "0.4 s", "59.9 s", "2 min 5 s"])
        #expect([0, 999, 1000, 12_345_678, 1_000_000_000_000].map(Human.size) == ["0 B", "999 B", "1.0 kB", "12.3 MB", "1.0 TB"])
        #expect(Table.text(["a", "bb"], [["xxx", "y"]]) == "A    BB\nxxx  y")
        #expect(Table.fields([("a", "1"), ("b", nil), ("ccc", "3")]) == "a    1\nccc  3")
    }
}
