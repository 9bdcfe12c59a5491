import Model
import Synchronization
import TestSupport
import Testing

@testable import Images

@Suite("Pulls")
struct ImagePullTests {
    /// A pull that moves and ends when the test says so.
    private final class Held: Sendable {
        private struct State {
            var begun = 0
            var cancelled = 0
            var progress: (@Sendable (PullProgress) -> Void)?
            var waiting: CheckedContinuation<Void, any Error>?
        }

        private let state = Mutex(State())

        var begun: Int { state.withLock { $0.begun } }
        var cancelled: Int { state.withLock { $0.cancelled } }

        func body(_ progress: @escaping @Sendable (PullProgress) -> Void) async throws {
            try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { continuation in
                    state.withLock {
                        $0.begun += 1
                        $0.progress = progress
                        $0.waiting = continuation
                    }
                }
            } onCancel: {
                end(.failure(CancellationError()), cancelled: true)
            }
        }

        func move(_ bytes: Int64) {
            state.withLock { $0.progress }?(PullProgress(status: "Downloading", doneBytes: bytes, totalBytes: 100))
        }

        func end(_ outcome: Result<Void, any Error> = .success(()), cancelled: Bool = false) {
            let waiting = state.withLock { state in
                defer { state.waiting = nil }
                if cancelled { state.cancelled += 1 }
                return state.waiting
            }
            waiting?.resume(with: outcome)
        }
    }

    private final class Seen: Sendable {
        private let reports = Mutex<[PullReport]>([])
        var all: [PullReport] { reports.withLock { $0 } }
        func add(_ report: PullReport) { reports.withLock { $0.append(report) } }
    }

    private let clock = ManualClock()

    private func joined(_ pulls: ImagePulls, _ held: Held, _ seen: Seen = Seen()) -> Task<Void, any Error> {
        Task { try await pulls.pull("a:1", report: { seen.add($0) }, { try await held.body($0) }) }
    }

    /// Whether whoever joined is shown what moves: then it has joined.
    private func isShown(_ seen: Seen, _ held: Held) async {
        while seen.all.isEmpty {
            held.move(1)
            await Task.yield()
        }
    }

    @Test("many that want one image share one pull, its progress and its end")
    func shared() async throws {
        let (pulls, held) = (ImagePulls(stallLimit: .seconds(5), clock: clock), Held())
        let seen = (1...10).map { _ in Seen() }
        let waiters = seen.map { joined(pulls, held, $0) }
        for one in seen { await isShown(one, held) }
        held.move(50)
        #expect(seen.allSatisfy { $0.all.last?.progress.doneBytes == 50 })
        #expect(pulls.report(of: "a:1")?.progress.doneBytes == 50)
        held.end()
        for waiter in waiters { try await waiter.value }
        #expect(held.begun == 1)
        #expect(pulls.report(of: "a:1") == nil)
    }

    @Test("a failure is everybody's, and the next who asks begins anew")
    func failure() async throws {
        let (pulls, held) = (ImagePulls(stallLimit: .seconds(5), clock: clock), Held())
        let (one, two) = (Seen(), Seen())
        let waiters = [joined(pulls, held, one), joined(pulls, held, two)]
        await isShown(one, held)
        await isShown(two, held)
        held.end(.failure(Failure(.pullFailed, "no")))
        for waiter in waiters { await #expect(throws: Failure.self) { try await waiter.value } }
        let seen = Seen()
        let next = joined(pulls, held, seen)
        await isShown(seen, held)
        held.end()
        try await next.value
        #expect(held.begun == 2)
    }

    @Test("who leaves takes nobody along; the last one ends the pull")
    func leaving() async throws {
        let (pulls, held) = (ImagePulls(stallLimit: .seconds(5), clock: clock), Held())
        let (one, two) = (Seen(), Seen())
        let (first, second) = (joined(pulls, held, one), joined(pulls, held, two))
        await isShown(one, held)
        await isShown(two, held)
        first.cancel()
        await #expect(throws: CancellationError.self) { try await first.value }
        #expect(held.cancelled == 0)
        second.cancel()
        await #expect(throws: CancellationError.self) { try await second.value }
        while held.cancelled == 0 { await Task.yield() }
        #expect(held.begun == 1)
    }

    @Test("silence is told when the limit is over, and movement ends it")
    func stalls() async throws {
        let (pulls, held, seen) = (ImagePulls(stallLimit: .seconds(5), clock: clock), Held(), Seen())
        let waiter = joined(pulls, held, seen)
        await isShown(seen, held)
        for _ in 1...4 {
            while clock.sleeperCount == 0 { await Task.yield() }
            clock.advance(by: .seconds(1))
        }
        #expect(!seen.all.contains { $0.isStalled }, "not before the limit")
        while !seen.all.contains(where: \.isStalled) {
            if clock.sleeperCount > 0 { clock.advance(by: .seconds(1)) }
            await Task.yield()
        }
        held.move(2)
        #expect(seen.all.last?.isStalled == false)
        held.end()
        try await waiter.value
    }
}

@Suite("Where images come from")
struct ImageSourceTests {
    private static let reference = KeeperFixture.reference

    @Test("what is here is not pulled; what is not comes in the version that has proved itself")
    func missing() async throws {
        let fixture = try KeeperFixture()
        try await fixture.bring("sha256:a")
        _ = try await fixture.supply.provide(Self.reference) { _ in }
        #expect(fixture.engine.faults.count(of: "pull") == 1)
        fixture.engine.offerForPull(Self.reference, digest: "sha256:unproved")
        #expect(try await fixture.engine.removeImage(Self.reference))
        let version = try await fixture.supply.provide(Self.reference) { _ in }
        #expect(version.digest == "sha256:a" && fixture.engine.imageID(Self.reference) == "id-sha256:a")
    }

    @Test("always pulls every time, never not at all")
    func policies() async throws {
        let always = try KeeperFixture { $0.pullPolicy = .always }
        try await always.bring("sha256:a")
        always.publish("sha256:b")
        #expect(try await always.supply.provide(Self.reference) { _ in }.digest == "sha256:b")
        #expect(try await always.image.previous?.digest == "sha256:a")
        let never = try KeeperFixture { $0.pullPolicy = .never }
        never.publish("sha256:a")
        do {
            _ = try await never.supply.provide(Self.reference) { _ in }
            Issue.record("it was given")
        } catch let failure as Failure {
            #expect(failure.code == .imageNotFound && failure.next?.contains("IMAGE_PULL_POLICY") == true)
        }
        #expect(never.engine.faults.count(of: "pull") == 0)
    }

    @Test("the mirror goes first, and the image gets its own name; where the mirror fails, its own registry is asked")
    func mirror() async throws {
        let fixture = try KeeperFixture { $0.mirror = "mirror:5000" }
        fixture.engine.offerForPull("mirror:5000/reg/echo:1", digest: "sha256:m")
        let mirrored = try await fixture.supply.provide(Self.reference) { _ in }
        #expect(mirrored.digest == "sha256:m" && fixture.engine.imageID(Self.reference) == "id-sha256:m")
        let other = try KeeperFixture { $0.mirror = "mirror:5000" }
        try await other.bring("sha256:a")
        #expect(other.engine.imageID(Self.reference) == "id-sha256:a")
    }

    private func ticking<Value: Sendable>(_ fixture: KeeperFixture, _ work: Task<Value, any Error>) async -> Result<Value, any Error> {
        let ticker = Task {
            while !Task.isCancelled {
                if fixture.clock.sleeperCount > 0 { fixture.clock.advance(by: .seconds(1)) }
                await Task.yield()
            }
        }
        defer { ticker.cancel() }
        return await work.result
    }

    @Test("a busy registry is asked again after the time it names, and the wait is shown")
    func busyRegistry() async throws {
        let fixture = try KeeperFixture()
        fixture.engine.offerForPull(Self.reference, digest: "sha256:a")
        fixture.engine.faults.on("pull", .fail(BackendError(.failed, .pullFailed, "no")))
        fixture.registry.answer(
            Self.reference, .failure(RegistryFailure(.rateLimited, "fewer, please", retryAfter: .seconds(30))))
        let shown = Mutex<[String]>([])
        let began = fixture.clock.now()
        let work = Task {
            try await fixture.supply.provide(Self.reference) { report in shown.withLock { $0.append(report.progress.status) } }
        }
        #expect(try await ticking(fixture, work).get().digest == "sha256:a")
        #expect(fixture.clock.now() - began >= .seconds(30))
        #expect(fixture.engine.faults.count(of: "pull") == 2)
        #expect(shown.withLock { $0 }.contains { $0.contains("fewer, please") })
    }

    @Test("a registry that wants to be left alone for hours is told as that at once: nobody keeps a place that others need")
    func hoursOfPatience() async throws {
        let fixture = try KeeperFixture()
        fixture.engine.faults.on("pull", .fail(BackendError(.failed, .pullFailed, "no")))
        fixture.registry.answer(Self.reference, .failure(RegistryFailure(.rateLimited, "tomorrow", retryAfter: .seconds(86_400))))
        let began = fixture.clock.now()
        let work = Task { try await fixture.supply.provide(Self.reference) { _ in } }
        guard case .failure(let error as RegistryFailure) = await ticking(fixture, work) else {
            Issue.record("it was waited for")
            return
        }
        #expect(error.code == .rateLimited && fixture.clock.now() - began < .seconds(300))
        #expect(fixture.engine.faults.count(of: "pull") == 1)
    }

    @Test("a registry that stays busy ends the patience, and what it said is told with the image's name")
    func impatient() async throws {
        let fixture = try KeeperFixture { $0.pullTries = 3 }
        fixture.engine.faults.on("pull", nth: 0, .fail(BackendError(.failed, .pullFailed, "no")))
        fixture.registry.answer(Self.reference, .failure(RegistryFailure(.registryError, "it failed")))
        let work = Task { try await fixture.supply.provide(Self.reference) { _ in } }
        guard case .failure(let error as RegistryFailure) = await ticking(fixture, work) else {
            Issue.record("it was given")
            return
        }
        #expect(error.code == .registryError && error.message.contains(Self.reference))
        #expect(fixture.engine.faults.count(of: "pull") == 3)
    }

    @Test("the engine's own word stands where the registry cannot be asked from here, and where it says that all is well")
    func enginesWord() async throws {
        for answer in [Result.failure(RegistryFailure(.registryUnreachable, "nobody")), .success("sha256:a")] {
            let fixture = try KeeperFixture()
            fixture.engine.faults.on("pull", nth: 0, .fail(BackendError(.missing, .imageNotFound, "not there")))
            fixture.registry.answer(Self.reference, answer)
            await #expect(throws: BackendError(.missing, .imageNotFound, "not there")) {
                _ = try await fixture.supply.provide(Self.reference) { _ in }
            }
        }
    }

    @Test("with too little room nothing is pulled, and the numbers are told")
    func room() async throws {
        let fixture = try KeeperFixture()
        fixture.publish("sha256:a")
        fixture.engine.setFreeBytes(100 << 20)
        do {
            _ = try await fixture.supply.provide(Self.reference) { _ in }
            Issue.record("it was pulled")
        } catch let failure as Failure {
            #expect(failure.code == .diskFull && failure.message.contains("100 MB"))
        }
        #expect(fixture.engine.faults.count(of: "pull") == 0)
    }
}
