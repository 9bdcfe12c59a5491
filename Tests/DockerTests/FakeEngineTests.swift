import Model
import Synchronization
import TestSupport
import Testing

@Suite("The fake keeps the same contract as a real engine")
struct FakeEngineTests {
    /// Every look at it is a microsecond later.
    private final class TickingClock: TimeSource {
        private let ticks = Mutex(Int64(0))

        func now() -> Timestamp {
            ticks.withLock { ticks in
                ticks += 1
                return Timestamp(microseconds: ticks)
            }
        }

        func sleep(for duration: Duration) async throws {}
    }

    private func fake() throws -> FakeEngine {
        let fake = FakeEngine(instance: try #require(InstanceID("fake-instance")), clock: TickingClock())
        fake.addImage("contract:1")
        return fake
    }

    private func started(_ fake: FakeEngine) async throws -> String {
        var spec = try sampleSpec()
        spec.image = "contract:1"
        let id = try await fake.createContainer(spec)
        try await fake.start(id)
        return id
    }

    @Test("one workspace's life, sentence by sentence")
    func contract() async throws {
        let fake = try fake()
        let workspace = try sampleWorkspace().id
        let contract = EngineContract(backend: fake, instance: fake.instance, image: "contract:1", workspace: workspace) {
            program, container in
            switch program {
            case .serve:
                fake.behave(.serve, image: "contract:1")
                fake.write("ready\n", to: container)
                fake.write("warned\n", to: container, .error)
            case .fail:
                fake.behave(.exit(code: 3, restarts: true), image: "contract:1")
                fake.write("failing\n", to: container)
            }
        }
        try await contract.check()
        let stranger = fake.addForeign(name: "other", labels: [WorkspaceLabels.managed: "true", WorkspaceLabels.instance: "somebody"])
        try await contract.strangersAreSeen(stranger)
        try await fake.removeContainer(stranger)
        #expect(fake.boxes.isEmpty && fake.volumeNames.isEmpty, "nothing is left")
    }

    @Test("a program that ends by itself is started again and counted; one that was stopped or killed by hand is not")
    func restarts() async throws {
        let fake = try fake()
        let id = try await started(fake)
        fake.kill(id, exitCode: 3, restarts: true)
        try await fake.start(id)
        #expect(try await fake.container(id)?.state == .restarting, "a start while a restart is due is success, and starts nothing")
        fake.restart(id)
        let again = try #require(try await fake.container(id))
        #expect(again.state == .running && again.restartCount == 1 && again.exitCode == 0)
        #expect(try #require(again.startedAt) > #require(again.finishedAt))
        fake.killByHand(id)
        fake.restart(id)
        let killed = try #require(try await fake.container(id))
        #expect(killed.state == .exited && killed.exitCode == 137 && killed.restartCount == 1)
        try await fake.start(id)
        #expect(try await fake.container(id)?.restartCount == 0, "a start by hand counts anew")
        fake.kill(id, exitCode: 3, restarts: true)
        try await fake.stop(id, grace: .zero)
        fake.restart(id)
        #expect(try await fake.container(id)?.state == .exited)
    }

    @Test("want of memory is told by an event, by the facts and by 137")
    func memory() async throws {
        let fake = try fake()
        let id = try await started(fake)
        fake.exhaustMemory(of: id)
        let facts = try #require(try await fake.container(id))
        #expect(facts.outOfMemory && facts.exitCode == 137 && facts.state == .restarting)
        #expect(fake.history.map(\.action) == [.create, .start, .oom, .die])
        fake.restart(id)
        #expect(try await fake.container(id)?.outOfMemory == false)
    }

    @Test("while it is down nobody answers, and watchers are told")
    func down() async throws {
        let fake = try fake()
        let id = try await started(fake)
        let events = try await fake.events(since: nil)
        fake.engineDown()
        #expect(try await backendError { for try await _ in events {} }.kind == .unavailable)
        #expect(fake.watcherCount == 0)
        #expect(try await backendError { _ = try await fake.containers() }.kind == .unavailable)
        #expect(try await backendError { try await fake.stop(id, grace: .zero) }.kind == .unavailable)
        #expect(try await backendError { _ = try await fake.events(since: nil) }.kind == .unavailable)
        fake.engineUp()
        let facts = try #require(try await fake.container(id))
        #expect(facts.state == .exited && facts.exitCode == 137, "it ended with its engine")
        fake.restart(id)
        #expect(try await fake.container(id)?.state == .exited, "and is not started again by it")
        try await fake.start(id)
        #expect(try await fake.container(id)?.state == .running)
    }

    @Test("containers can outlive their engine; one that failed goes on being started again, counted anew")
    func revival() async throws {
        let fake = try fake()
        let id = try await started(fake)
        fake.engineDown()
        fake.engineUp(.containersKept)
        #expect(try await fake.container(id)?.state == .running)
        fake.kill(id, exitCode: 3, restarts: true)
        fake.engineDown()
        fake.engineUp()
        let facts = try #require(try await fake.container(id))
        #expect(facts.state == .restarting && facts.restartCount == 0)
    }

    @Test("a stuck start fails until the container is made again under its name")
    func stuck() async throws {
        let fake = try fake()
        var spec = try sampleSpec()
        spec.image = "contract:1"
        let id = try await fake.createContainer(spec)
        fake.stickStart(of: id)
        for _ in 1...2 {
            let error = try await backendError { try await fake.start(id) }
            #expect(error.code == .startFailed && error.kind == .failed)
        }
        try await fake.removeContainer(id)
        let next = try await fake.createContainer(spec)
        try await fake.start(next)
        #expect(try await fake.container(next)?.state == .running)
    }

    @Test("a paused container is not started, and a stop ends it")
    func paused() async throws {
        let fake = try fake()
        let id = try await started(fake)
        fake.pause(id)
        #expect(try await backendError { try await fake.start(id) }.kind == .conflict)
        try await fake.stop(id, grace: .seconds(1))
        #expect(try await fake.container("ws-sample")?.state == .exited, "found by its name, too")
    }
}
