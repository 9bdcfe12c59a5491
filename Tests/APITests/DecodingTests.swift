import HTTP
import Model
import Provisioner
import Testing

@testable import API

@Suite("Reading a change")
struct ChangeDecodingTests {
    private func change(_ text: String) throws -> WorkspaceChange { try WorkspaceChange(decoding: try JSONValue(parsing: text)) }

    @Test("absent leaves a field, null and an empty text clear it where it can be cleared")
    func absentAndNull() throws {
        let none = try change("{}")
        #expect(none.isEmpty)
        let cleared = try change(
            #"{"Role":null,"model":"","parent_id":null,"workspace_dir":null,"hibernation_idle_minutes":null,"name":null,"tier":null}"#)
        #expect(cleared.role == .some(nil) && cleared.model == .some(nil) && cleared.parentID == .some(nil))
        #expect(cleared.workspaceDirectory == .some(nil) && cleared.hibernationIdleMinutes == .some(nil))
        #expect(cleared.name == nil && cleared.tier == nil, "what cannot be empty is left alone")
        #expect(try change(#"{"hibernation_idle_minutes":0}"#).hibernationIdleMinutes == .some(nil), "0 means never")
    }

    @Test("every field there is is read")
    func everything() throws {
        let id = "11111111-2222-4333-8444-555555555555"
        let read = try change(
            #"{"name":"Ann","role":"scout","x":1.5,"y":-2,"collapsed":true,"tier":1,"runtime":"echo","model":"m","image":"i:1","#
                + #""parent_id":"\#(id)","workspace_dir":"/srv/a","workspace_access":"read_only","max_concurrent_tasks":3,"#
                + #""hibernation_idle_minutes":30,"budget_limit":5}"#)
        var wanted = WorkspaceChange()
        wanted.name = "Ann"
        wanted.role = "scout"
        (wanted.canvasX, wanted.canvasY, wanted.collapsed) = (1.5, -2, true)
        (wanted.tier, wanted.runtime, wanted.model, wanted.image) = (1, "echo", "m", "i:1")
        wanted.parentID = WorkspaceID(id)
        wanted.workspaceDirectory = "/srv/a"
        wanted.workspaceAccess = .readOnly
        wanted.maxConcurrentTasks = 3
        wanted.hibernationIdleMinutes = 30
        #expect(read == wanted)
    }

    @Test("one coordinate is no place")
    func halfAPlace() throws { #expect(try change(#"{"x":1}"#).isEmpty) }

    @Test(
        "a wrong type is refused by name",
        arguments: [
            ("name", "7"), ("role", "[]"), ("x", "\"1\""), ("collapsed", "1"), ("tier", "1.5"), ("runtime", "{}"), ("model", "false"),
            ("image", "1"), ("parent_id", "\"root\""), ("parent_id", "\"\""), ("workspace_dir", "1"), ("workspace_access", "\"all\""),
            ("max_concurrent_tasks", "\"2\""), ("hibernation_idle_minutes", "\"never\""),
        ])
    func wrongTypes(field: String, value: String) {
        let error = #expect(throws: Failure.self) { try change("{\"y\":1,\"\(field)\":\(value)}") }
        #expect(error?.details["field"]?.string == field)
    }
}

@Suite("Reading what else a workspace's life sends")
struct LifecycleDecodingTests {
    @Test("a boot's failure keeps its last 8192 bytes from a whole character on, and says that it was cut")
    func bootstrap() throws {
        let tail = String(repeating: "é", count: 5000)
        let report = try BootstrapReport(decoding: ["error": "  no disk \n", "log_tail": .string("x" + tail)])
        #expect(report.error == "no disk")
        #expect(report.logTail.hasPrefix(BootstrapReport.marker))
        #expect(report.logTail.dropFirst(BootstrapReport.marker.count).allSatisfy { $0 == "é" })
        #expect(report.logTail.utf8.count == BootstrapReport.marker.utf8.count + 8192)
        let odd = try BootstrapReport(decoding: ["log_tail": .string(tail + "x")])
        #expect(odd.logTail.utf8.count == BootstrapReport.marker.utf8.count + 8191, "half a character is left out")
        #expect(odd.error == "bootstrap failed — see log_tail")
        #expect(try BootstrapReport(decoding: ["log_tail": .string(String(repeating: "x", count: 8192))]).logTail.utf8.count == 8192)
        #expect(throws: Failure.self) { try BootstrapReport(decoding: ["error": 7]) }
        #expect(throws: Failure.self) { try BootstrapReport(decoding: []) }
    }

    @Test("a stop that failed says how many, which and why, where existing clients look")
    func stopFailure() async throws {
        let id = try #require(WorkspaceID("11111111-2222-4333-8444-555555555555"))
        let failure = StopFailure(
            verb: "paused", count: 3, failures: [Deletion.Problem(id: id, code: .engineTimeout)], countKey: "paused_count")
        let answer = await Answer(failure.response())
        #expect(answer.status == 500)
        #expect(
            answer.json.object?.keys == ["error", "code", "next", "removed_count", "paused_count", "stop_failures", "failed"])
        #expect(answer.code == "stop_failed" && answer.json["removed_count"] == 3 && answer.json["paused_count"] == 3)
        #expect(answer.json["failed"]?.text == #"[{"id":"\#(id)","error_class":"engine_timeout"}]"#)
    }

    @Test("console output is the last 64 KiB, from a whole character on")
    func consoleTail() {
        var output = ConsoleOutput()
        for _ in 0..<300 { output.append(Array(String(repeating: "é", count: 500).utf8)) }
        #expect(output.text.utf8.count == 65536)
        output.append([0x78])
        #expect(output.text.utf8.count == 65535 && output.text.hasSuffix("éx"))
    }
}
