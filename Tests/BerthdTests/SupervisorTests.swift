import API
import Model
import Synchronization
import TestSupport
import Testing

@testable import berthd

/// How often the loops of a test were started.
private final class Starts: Sendable {
    private let number = Mutex(0)

    var count: Int { number.withLock { $0 } }
    func add() { number.withLock { $0 += 1 } }
}

@Suite("Supervision of the loops", .timeLimit(.minutes(1)))
struct SupervisorTests {
    private struct Driver: Error, CustomStringConvertible { var description: String { "password=hunter2" } }

    private let clock = ManualClock()
    private let log = RecordingLog()
    private let starts = Starts()

    private func supervisor() -> Supervisor { Supervisor(clock: clock, log: log) }

    /// A loop that does `body` and counts how often it was started.
    private func service(
        _ name: String = "loop", every interval: Duration = .seconds(10), _ body: @escaping @Sendable (() -> Void) async throws -> Void
    ) -> Service {
        Service(name: name, expectedInterval: interval) { tick in
            self.starts.add()
            try await body(tick)
        }
    }

    /// Runs `services` while `body` looks at them.
    private func running(_ supervisor: Supervisor, _ services: [Service], _ body: () async throws -> Void) async rethrows {
        let task = Task { await supervisor.run(services) }
        try await body()
        task.cancel()
        await task.value
    }

    private func untilAsleep(_ count: Int = 1) async { while clock.sleeperCount < count { await Task.yield() } }
    private func untilStarted(_ count: Int) async { while starts.count < count { await Task.yield() } }

    @Test("the pause doubles from one second to thirty, and is short again after a healthy minute")
    func pauses() {
        var pause = RestartPause()
        let failing = (1...7).map { _ in pause.next(afterRunOf: .seconds(59)) }
        #expect(failing == [1, 2, 4, 8, 16, 30, 30].map { Duration.seconds($0) })
        #expect(pause.next(afterRunOf: .seconds(60)) == .seconds(1))
        #expect(pause.next(afterRunOf: .zero) == .seconds(2))
    }

    @Test("a loop that fails is started again after its pause and not before, and the restarts are counted")
    func restarts() async throws {
        let supervisor = supervisor()
        try await running(supervisor, [service { _ in throw Failure(.engineTimeout, "too slow") }]) {
            await untilAsleep()
            clock.advance(by: .seconds(1))
            await untilStarted(2)
            await untilAsleep()
            clock.advance(by: .milliseconds(1999))
            #expect(clock.sleeperCount == 1 && starts.count == 2, "the second pause is two seconds")
            clock.advance(by: .milliseconds(1))
            await untilStarted(3)
            await untilAsleep()
            let tick = try #require(supervisor.ticks.first)
            #expect(tick.restarts == 3 && tick.lastError == "engine_timeout: too slow" && tick.lastTickAt == nil)
        }
    }

    @Test("a loop that merely ends, or calls itself cancelled, is started again too")
    func endings() async {
        let supervisor = supervisor()
        let first = Mutex(true)
        let ending = service { _ in
            let ends = first.withLock { first in
                defer { first = false }
                return first
            }
            if !ends { throw CancellationError() }
        }
        await running(supervisor, [ending]) {
            await untilAsleep()
            #expect(supervisor.ticks.first?.lastError == "the loop ended by itself")
            clock.advance(by: .seconds(1))
            await untilStarted(2)
            await untilAsleep()
            #expect(supervisor.ticks.first?.restarts == 2)
        }
    }

    @Test("what an unknown error says is for the log, not for people")
    func words() async {
        let supervisor = supervisor()
        await running(supervisor, [service { _ in throw Driver() }]) {
            await untilAsleep()
            #expect(supervisor.ticks.first?.lastError?.contains("hunter2") == false)
            #expect(log.text.contains { $0.hasPrefix("error") && $0.contains("loop=loop") && $0.contains("hunter2") })
        }
    }

    @Test("every loop is known from the start, and one that never finishes a round becomes stale and fails readiness by name")
    func stale() async throws {
        let supervisor = supervisor()
        let silent = service("silent") { [clock] _ in try await clock.sleep(for: .seconds(1_000_000)) }
        let ticking = service("ticking") { [clock] tick in
            while true {
                tick()
                try await clock.sleep(for: .seconds(10))
            }
        }
        let probe = ReadinessProbe.loops({ supervisor.ticks }, clock: clock)
        try await running(supervisor, [silent, ticking]) {
            await untilAsleep(2)
            #expect(supervisor.ticks.map(\.name) == ["silent", "ticking"])
            #expect(supervisor.ticks.map(\.interval) == [.seconds(10), .seconds(10)])
            #expect(await probe.check() == .ok)
            clock.advance(by: .seconds(36))
            while supervisor.ticks.last?.lastTickAt != clock.now() { await Task.yield() }
            #expect(await probe.check() == .failing(.internalError, "no fresh round of: silent"))
            let tick = try #require(supervisor.ticks.first)
            #expect(tick.lastTickAt == nil && tick.isStale(at: clock.now()))
        }
    }

    @Test("a loop with a pulse of its own is believed, and its error is shown while it has one")
    func ownPulse() async throws {
        let supervisor = supervisor()
        let health = Mutex<(lastTick: Timestamp?, lastError: ErrorCode?)>((nil, .engineUnavailable))
        let asleep: @Sendable (@escaping @Sendable () -> Void) async throws -> Void = { [clock] _ in
            try await clock.sleep(for: .seconds(1_000_000))
        }
        let service = Service(name: "own", expectedInterval: .seconds(10), health: { health.withLock { $0 } }, run: asleep)
        try await running(supervisor, [service]) {
            await untilAsleep()
            #expect(try #require(supervisor.ticks.first).lastError == "engine_unavailable")
            let now = clock.now()
            health.withLock { $0 = (now, nil) }
            let tick = try #require(supervisor.ticks.first)
            #expect(tick.lastTickAt == now && tick.lastError == nil && tick.restarts == 0)
        }
    }

    @Test("a stop ends the loops, also one that waits to be started again")
    func stop() async {
        let supervisor = supervisor()
        await running(supervisor, [service { _ in throw Driver() }, service("other") { _ in throw Driver() }]) { await untilAsleep(2) }
        #expect(clock.sleeperCount == 0)
        #expect(starts.count == 2)
    }
}
