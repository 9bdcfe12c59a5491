import Foundation
import Model
import TestSupport
import Testing

@testable import Docker

/// The shared contract, on a real engine. The fake runs through the same sentences in `FakeEngineTests`.
@Suite("A real engine keeps the contract", .enabled(if: RealEngine.socketPath != nil, "set BERTH_TEST_DOCKER_HOST=unix:///path"))
struct EngineContractTests {
    @Test("one workspace's life, sentence by sentence")
    func contract() async throws {
        let real = try RealEngine()
        try await real.use { try await real.contract().check() }
    }

    @Test("another installation's containers, and whatever calls itself a workspace, are strangers")
    func strangers() async throws {
        let real = try RealEngine()
        try await real.use {
            let other = try RealEngine()
            try await other.use {
                let stranger = try await other.engine.createContainer(try await other.spec())
                try await real.contract().strangersAreSeen(stranger)
            }
        }
    }

    @Test("a stop ends a paused container, and one that was started this very moment")
    func stopOddOnes() async throws {
        let real = try RealEngine()
        try await real.use {
            let id = try await real.engine.createContainer(try await real.spec())
            try await real.install(RealEngine.serving, in: id)
            for paused in [true, false] {
                try await real.engine.start(id)
                if paused { try await real.pause(id) }
                try await real.engine.stop(id, grace: .seconds(60))
                let facts = try #require(try await real.engine.container(id))
                #expect(facts.state == .exited && facts.exitCode == 143)
            }
        }
    }

    @Test("a stop that SIGTERM does not do is done by SIGKILL when the grace is over")
    func stopByForce() async throws {
        let real = try RealEngine()
        try await real.use {
            let id = try await real.engine.createContainer(try await real.spec())
            try await real.install("trap '' TERM; echo deaf; while :; do /bin/busybox sleep 1000; done", in: id)
            try await real.engine.start(id)
            for try await _ in try await real.engine.logs(of: id, LogOptions(follow: true)) { break }
            try await real.engine.stop(id, grace: .seconds(1))
            let facts = try #require(try await real.engine.container(id))
            #expect(facts.state == .exited && facts.exitCode == 137 && !facts.outOfMemory)
        }
    }

    @Test("want of memory is an event, a fact, and counted as a restart")
    func memory() async throws {
        let real = try RealEngine()
        try await real.use {
            var spec = try await real.spec()
            spec.memoryBytes = 16 << 20
            let events = try await real.engine.events(since: nil)
            let id = try await real.engine.createContainer(spec)
            try await real.install("exec /bin/busybox tail /dev/zero", in: id)
            try await real.engine.start(id)
            var seen: [ContainerEvent.Action] = []
            var facts: ContainerFacts?
            // The fact is forgotten at the next start, which may come before the look: then the next death is as good.
            for try await event in events where event.containerID == id {
                seen.append(event.action)
                if event.action == .die { facts = try await real.engine.container(id) }
                if facts?.outOfMemory == true { break }
            }
            #expect(seen.prefix(4) == [.create, .start, .oom, .die])
            #expect(facts?.exitCode == 137 && facts?.restartCount ?? 0 >= 1)
        }
    }

    @Test("files copied before the start are there, belong to 1000 and keep their modes; the port answers")
    func copiedFiles() async throws {
        let real = try RealEngine()
        try await real.use { try await checkCopiedFiles(real) }
    }

    private func checkCopiedFiles(_ real: RealEngine) async throws {
        let engine = real.engine
        var spec = try await real.spec()
        spec.readOnlyRoot = true
        let id = try await engine.createContainer(spec)
        let files = [
            ContainerFile(path: "sub/token", bytes: [1, 2, 3], mode: 0o600),
            ContainerFile(path: "größe", bytes: [UInt8](repeating: 9, count: 3000)),
        ]
        try await engine.copy(files, into: id, at: "/configs")
        try await real.install(
            "cd /configs; /bin/busybox stat -c '%n %u:%g %a' sub sub/token größe > listing; \(RealEngine.serving)", in: id)
        try await engine.start(id)
        let url = try #require(try await engine.container(id)?.agentURL)
        let listing = try await listing(real, url)
        #expect(listing == "sub 1000:1000 755\nsub/token 1000:1000 600\ngröße 1000:1000 644\n")
        let copied = try #require(try await engine.copyOut(of: id, path: "/configs/sub", limit: 1 << 20))
        #expect(copied == [ContainerFile(path: "sub/token", bytes: [1, 2, 3], mode: 0o600)])
        #expect(try await engine.copyOut(of: id, path: "/configs/none", limit: 100) == nil)
    }

    /// The listing, once the server in the container answers with it.
    private func listing(_ real: RealEngine, _ url: String) async throws -> String {
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(20)
        while true {
            do {
                let text = String(decoding: try await real.fetch(url + "/listing"), as: UTF8.self)
                if text.hasSuffix("644\n") { return text }
            } catch {
                guard clock.now < deadline else { throw error }
            }
            try await clock.sleep(for: .milliseconds(20))
        }
    }

    @Test("what a real engine refuses is told apart, without reading its words")
    func refusals() async throws {
        let real = try RealEngine()
        try await real.use { try await checkRefusals(real) }
    }

    private func checkRefusals(_ real: RealEngine) async throws {
        let engine = real.engine
        let spec = try await real.spec()
        var tiny = spec
        tiny.memoryBytes = 1024
        #expect(try await backendError { _ = try await engine.createContainer(tiny) }.code == .engineRequestInvalid)
        var unbound = spec
        unbound.mounts = [.bind(hostPath: "/berth-nowhere", at: "/workspace", readOnly: true)]
        #expect(try await backendError { _ = try await engine.createContainer(unbound) }.code == .engineRequestInvalid)
        var sealed = spec
        sealed.readOnlyRoot = true
        let id = try await engine.createContainer(sealed)
        let file = ContainerFile(path: "a", bytes: [1])
        #expect(try await backendError { try await engine.copy([file], into: id, at: "/bin") }.code == .copyFailed)
        #expect(try await backendError { try await engine.copy([file], into: id, at: "/nowhere") }.code == .pathMissing)
        try await real.removeNetwork()
        #expect(try await backendError { try await engine.start(id) }.code == .networkMissing)
        #expect(try await engine.ensureNetwork().id != spec.network?.id, "a network that vanished is made anew")
        let pull = try await backendError { try await engine.pull("127.0.0.1:1/nobody/nothing:1") { _ in } }
        #expect(pull.code == .pullFailed)
        #expect(try await backendError { try await engine.pull("127.0.0.1:1/NOBODY:1") { _ in } }.code == .engineRequestInvalid)
    }

    /// The engine starts its own small init first, so the start succeeds and the container ends at once.
    @Test("an image whose command is not there ends with 127")
    func commandMissing() async throws {
        let real = try RealEngine()
        try await real.use {
            try await real.makeImage(command: #"["/nosuchcommand"]"#)
            let events = try await real.engine.events(since: nil)
            let id = try await real.engine.createContainer(try await real.spec())
            try await real.engine.start(id)
            for try await event in events where event.containerID == id && event.action == .die {
                #expect(event.exitCode == 127)
                break
            }
        }
    }

    @Test("the log of a container that ended is kept, and can be cut to its last lines")
    func keptLog() async throws {
        let real = try RealEngine()
        try await real.use {
            let id = try await real.engine.createContainer(try await real.spec())
            try await real.install("echo one; echo two; echo three; exec /bin/busybox sleep 100", in: id)
            try await real.engine.start(id)
            var text = ""
            for try await chunk in try await real.engine.logs(of: id, LogOptions(follow: true)) {
                text += String(decoding: chunk.bytes, as: UTF8.self)
                if text.contains("three") { break }
            }
            #expect(text == "one\ntwo\nthree\n")
            var tail = ""
            for try await chunk in try await real.engine.logs(of: id, LogOptions(tail: 1)) {
                tail += String(decoding: chunk.bytes, as: UTF8.self)
            }
            #expect(tail == "three\n")
        }
    }
}

/// Engines that die or fill up are engines of the test's own.
@Suite(
    "An engine of our own", .serialized,
    .enabled(if: RealEngine.socketPath != nil && PrivateEngine.isPossible, "set BERTH_TEST_DOCKER_HOST=unix:///path and be root"))
struct EngineContractPrivateTests {
    @Test("an engine that is killed ends the streams; when it is back, everything is found again")
    func killed() async throws {
        try await use(try await PrivateEngine.start(), checkKilled)
    }

    private func use(_ own: PrivateEngine, _ check: (PrivateEngine, RealEngine) async throws -> Void) async throws {
        let real = try RealEngine(at: own.socketPath)
        do {
            try await check(own, real)
        } catch {
            Issue.record("\(error)\n\(real.log.text)")
        }
        try await own.stop()
    }

    private func checkKilled(_ own: PrivateEngine, _ real: RealEngine) async throws {
        try await real.makeImage()
        let id = try await real.engine.createContainer(try await real.spec())
        try await real.install(RealEngine.serving, in: id)
        let events = try await real.engine.events(since: nil)
        try await real.engine.start(id)
        let log = try await real.engine.logs(of: id, LogOptions(follow: true))
        try await own.kill()
        #expect(try await backendError { for try await _ in events {} }.code == .engineUnavailable)
        do {
            for try await _ in log {}
        } catch let error as BackendError {
            #expect(error.kind == .unavailable)
        }
        #expect(try await backendError { _ = try await real.engine.containers() }.code == .engineUnavailable)
        try await own.restart()
        #expect(try await real.engine.containers().map(\.id) == [id])
        try await real.engine.removeContainer(id)
        #expect(try await real.engine.containers().isEmpty)
    }

    /// Which of the starts get stuck is up to the moment of the crash; whichever do, they are healed the same way.
    @Test("containers that an engine was starting as it crashed are started after it, or made again")
    func crashedStarts() async throws {
        try await use(try await PrivateEngine.start(), checkCrashedStarts)
    }

    private func checkCrashedStarts(_ own: PrivateEngine, _ real: RealEngine) async throws {
        try await real.makeImage()
        var ids: [String: ContainerSpec] = [:]
        for number in 0..<8 {
            var spec = try await real.spec()
            spec.name += "-\(number)"
            let id = try await real.engine.createContainer(spec)
            try await real.install(RealEngine.serving, in: id)
            ids[id] = spec
        }
        let events = try await real.engine.events(since: nil)
        await withTaskGroup(of: Void.self) { group in
            for id in ids.keys { group.addTask { _ = try? await real.engine.start(id) } }
            var seen = events.makeAsyncIterator()
            while let event = try? await seen.next(), event.action != .start {}
            try? await own.kill()
        }
        try await own.restart()
        for (id, spec) in ids { try await startOrRemake(id, spec, real.engine) }
        let running = try await real.engine.containers()
        #expect(running.count == ids.count && running.allSatisfy { $0.state == .running })
    }

    private func startOrRemake(_ id: String, _ spec: ContainerSpec, _ engine: LocalEngine) async throws {
        do {
            try await engine.start(id)
        } catch let error as BackendError {
            #expect(error.code == .startFailed && error.kind == .failed)
            try await engine.removeContainer(id)
            try await engine.start(try await engine.createContainer(spec))
        }
    }

    @Test("a container starts although other programs hold the ports that the engine would pick first")
    func takenPorts() async throws {
        let range = try String(contentsOfFile: "/proc/sys/net/ipv4/ip_local_port_range", encoding: .utf8)
        let first = try #require(Int(range.prefix { $0.isNumber }))
        // Some may belong to other programs at this moment; those are not ours to count on.
        let held = (first..<first + 40).compactMap { HeldPort(UInt16($0)) }
        try #require(held.count > 10, "an engine gives up after ten")
        try await use(try await PrivateEngine.start()) { _, real in
            try await real.makeImage()
            let id = try await real.engine.createContainer(try await real.spec())
            try await real.install(RealEngine.serving, in: id)
            try await real.engine.start(id)
            let url = try #require(try await real.engine.container(id)?.agentURL)
            let port = try #require(url.split(separator: ":").last.flatMap { Int($0) })
            #expect(!held.contains { Int($0.port) == port })
            try await real.engine.removeContainer(id)
        }
        withExtendedLifetime(held) {}
    }

    @Test("a full disk is told from other failures, on create, copy and import")
    func full() async throws {
        try await use(try await PrivateEngine.start(diskMegabytes: 24), checkFull)
    }

    private func checkFull(_ own: PrivateEngine, _ real: RealEngine) async throws {
        try await real.makeImage()
        let id = try await real.engine.createContainer(try await real.spec())
        let large = ContainerFile(path: "large", bytes: [UInt8](repeating: 1, count: 32 << 20))
        let error = try await backendError { try await real.engine.copy([large], into: id, at: "/configs") }
        #expect(error.code == .diskFull && error.kind == .failed, "\(real.log.text)")
        var second = try await real.spec()
        second.name += "-2"
        #expect(try await backendError { _ = try await real.engine.createContainer(second) }.code == .diskFull, "\(real.log.text)")
    }
}

/// A port of the loopback that nobody else gets.
private final class HeldPort: Sendable {
    let port: UInt16
    private let descriptor: Int32

    /// nil when somebody has it already.
    init?(_ port: UInt16) {
        self.port = port
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isOurs = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) == 0 }
        }
        guard isOurs, listen(descriptor, 1) == 0 else { return nil }
    }

    deinit { close(descriptor) }
}
