import HTTP
import Model
import TestSupport
import Testing

@testable import berth_agent

@Suite("An agent and its platform", .timeLimit(.minutes(1)))
struct PlatformLinkTests {
    let disk = ConfigDirectory()
    let clock = ManualClock()
    let log = RecordingLog()

    private func link(_ platform: ScriptedPlatform, _ board: TaskBoard) -> PlatformLink {
        PlatformLink(
            client: PlatformClient(
                workspaceID: "w-1", platformURL: "http://platform", token: TokenFile(configDirectory: disk.path), transport: platform),
            board: board, interval: .seconds(30), clock: clock, random: SeededRandom(seed: 1), log: log, startedAt: clock.now())
    }

    /// Runs a link, moving the clock whenever it sleeps, until the platform has had `count` calls or the link has ended.
    private func run(_ platform: ScriptedPlatform, calls count: Int) async {
        let board = TaskBoard(clock: clock)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await link(platform, board).run(url: "http://w:8000", card: ["name": "x"]) }
            group.addTask { await platform.receives(count) }
            group.addTask {
                while !Task.isCancelled {
                    if clock.sleeperCount > 0 { clock.advance(by: .seconds(1)) }
                    await Task.yield()
                }
            }
            await group.next()
            group.cancelAll()
        }
    }

    @Test("registers with card, address and token, then beats with a whole body")
    func registersAndBeats() async throws {
        disk.write(".auth_token", "secret\n")
        let platform = ScriptedPlatform()
        await run(platform, calls: 2)
        let register = try #require(platform.calls.first)
        #expect(register.path == "/registry/register")
        #expect(register.token == "secret")
        #expect(register.body == ["id": "w-1", "url": "http://w:8000", "agent_card": ["name": "x"]])
        let beat = try #require(platform.beats.first?.body)
        #expect(beat["workspace_id"]?.string == "w-1")
        #expect(beat["error_rate"]?.double == 0 && beat["active_tasks"]?.int == 0 && beat["current_task"]?.string == "")
        #expect(beat["sample_error"]?.string == "" && beat["uptime_seconds"]?.int != nil)
        #expect(beat["runtime_metadata"]?["capabilities"]?.object?.keys.count == 7)
        #expect(beat["runtime_state"] == nil)
    }

    @Test("a registration that fails is tried for ever, whatever the reason")
    func registrationRetries() async {
        let platform = ScriptedPlatform(["/registry/register": [0, 500, 401, 404, 503, 0, 429, 400, 0, 502, 200]])
        await run(platform, calls: 12)
        #expect(platform.calls.prefix(11).allSatisfy { $0.path == "/registry/register" })
        #expect(!platform.beats.isEmpty)
        #expect(log.text.contains { $0.hasPrefix("info registered") })
        #expect(log.text.filter { $0.contains("not registered") }.count == 4)
    }

    @Test("a removed workspace ends the link, at registration and at a beat", arguments: ["/registry/register", "/registry/heartbeat"])
    func removed(path: String) async {
        let platform = ScriptedPlatform([path: [410]])
        await run(platform, calls: 99)
        #expect(platform.calls.last?.path == path)
        #expect(log.text.last == "info the workspace was removed")
    }

    @Test("a refused token is read again, and the same whole beat is sent once more")
    func tokenReplaced() async throws {
        disk.write(".auth_token", "new")
        let platform = ScriptedPlatform(["/registry/heartbeat": [401, 200]])
        await run(platform, calls: 3)
        let beats = platform.beats
        #expect(beats[0].body == beats[1].body)
        #expect(beats[1].body["runtime_metadata"] != nil && beats[1].token == "new")
        #expect(!log.text.contains { $0.contains("failed") })
    }

    @Test("any status but 2xx is a failure that is tried again and does not end", arguments: [0, 301, 401, 404, 500])
    func beatsFail(status: Int) async {
        let platform = ScriptedPlatform(["/registry/heartbeat": Array(repeating: status, count: 12) + [200]])
        await run(platform, calls: 15)
        #expect(log.text.contains { $0.hasPrefix("warning heartbeat failed") })
        #expect(log.text.contains { $0.hasPrefix("info heartbeats are accepted again") })
    }

    @Test("a token issued at registration is kept, for this user only")
    func issuedToken() async {
        let platform = ScriptedPlatform(registerBody: ["status": "registered", "auth_token": "issued"])
        await run(platform, calls: 2)
        #expect(platform.beats.first?.token == "issued")
        #expect(disk.permissions(of: ".auth_token") == 0o600)
    }

    @Test("a started and an ended task are told at once, not with the next beat")
    func pushes() async {
        let platform = ScriptedPlatform()
        let board = TaskBoard(clock: clock)
        let running = Task { try? await link(platform, board).run(url: "u", card: .null) }
        await platform.receives(2)
        let task = board.begin("write a poem\nabout ships")
        await passPause()
        await platform.receives(3)
        board.end(task, error: "no ink")
        await passPause()
        await platform.receives(4)
        running.cancel()
        #expect(platform.beats[1].body["active_tasks"]?.int == 1)
        #expect(platform.beats[1].body["current_task"]?.string == "write a poem")
        #expect(platform.beats[2].body["active_tasks"]?.int == 0)
        #expect(platform.beats[2].body["current_task"]?.string == "")
        #expect(platform.beats[2].body["error_rate"]?.double == 1)
        #expect(platform.beats[2].body["sample_error"]?.string == "no ink")
    }

    /// Lets the shortest pause between two beats pass, and far less than the interval.
    private func passPause() async {
        while clock.sleeperCount == 0 { await Task.yield() }
        clock.advance(by: .milliseconds(300))
    }

    @Test("waits double up to the longest and are spread by a fifth")
    func backoff() {
        var backoff = Backoff(first: .seconds(1), longest: .seconds(30))
        let random = SeededRandom(seed: 7)
        let waits = (0..<40).map { _ in backoff.next(random) }
        for (wait, middle) in zip(waits, [1, 2, 4, 8, 16] + Array(repeating: 30, count: 35)) {
            #expect(wait >= .seconds(middle) * 0.79 && wait <= .seconds(middle) * 1.21)
        }
        #expect(Set(waits).count > 20)
    }

    @Test("the error rate counts finished messages of the last five minutes")
    func errorRate() {
        let board = TaskBoard(clock: clock)
        for error in [nil, "first", nil, "second"] { board.end(board.begin("x"), error: error) }
        board.abandon(board.begin("given up"))
        #expect(board.snapshot() == TaskBoard.Snapshot(activeTasks: 0, currentTask: "", errorRate: 0.5, sampleError: "second"))
        clock.advance(by: .seconds(301))
        #expect(board.snapshot() == TaskBoard.Snapshot(activeTasks: 0, currentTask: "", errorRate: 0, sampleError: ""))
    }
}
