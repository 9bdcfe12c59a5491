import Model
import TestSupport
import Testing

@testable import Docker

/// The shared contract, on a real engine. The fake runs through the same sentences in its own target.
@Suite("A real engine keeps the contract", .enabled(if: RealEngine.socketPath != nil, "set BERTH_TEST_DOCKER_HOST=unix:///path"))
struct EngineContractTests {
    @Test("one workspace's life, sentence by sentence")
    func contract() async throws {
        let real = try RealEngine()
        let contract = real.contract(RealEngine.freshWorkspace())
        do {
            try await real.makeImage()
            try await contract.networkIsOne()
            try await contract.imagesAreFoundByName()
            try await contract.volumesBelongToTheirWorkspace()
            try await contract.containerServes()
            try await contract.nameIsTakenOnce()
            try await contract.failureIsSeen()
            try await contract.absenceIsNoFailure()
        } catch {
            Issue.record("\(error)\n\(real.log.text)")
        }
        try await real.cleanUp(contract)
    }

    @Test("files copied before the start are there, belong to 1000 and keep their modes; the port answers")
    func copiedFiles() async throws {
        let real = try RealEngine()
        let contract = real.contract(RealEngine.freshWorkspace())
        do {
            try await real.makeImage()
            try await checkCopiedFiles(real)
        } catch {
            Issue.record("\(error)\n\(real.log.text)")
        }
        try await real.cleanUp(contract)
    }

    private func checkCopiedFiles(_ real: RealEngine) async throws {
        let engine = real.engine
        let workspace = RealEngine.freshWorkspace()
        var spec = ContainerSpec(
            name: "ws-\(workspace.prefix12)", image: real.image,
            labels: WorkspaceLabels(
                workspace: Workspace(
                    id: workspace, name: "Copy", runtime: "echo", condition: .init(.provisioning), createdAt: Timestamp(seconds: 0))))
        spec.mounts = [.volume(name: "\(spec.name)-configs", at: "/configs")]
        spec.network = try await engine.ensureNetwork()
        spec.readOnlyRoot = true
        try await engine.createVolume("\(spec.name)-configs", labels: spec.labels)
        let id = try await engine.createContainer(spec)
        let script = """
            cd /configs
            /bin/busybox stat -c '%n %u:%g %a' sub sub/token größe > listing
            exec /bin/busybox httpd -f -p 8000 -h /configs
            """
        let files = [
            ContainerFile(path: "run.sh", bytes: Array(script.utf8)), ContainerFile(path: "sub/token", bytes: [1, 2, 3], mode: 0o600),
            ContainerFile(path: "größe", bytes: [UInt8](repeating: 9, count: 3000)),
        ]
        try await engine.copy(files, into: id, at: "/configs")
        try await engine.start(id)
        let url = try #require(try await engine.container(id)?.agentURL)
        let listing = try await listing(real, url)
        #expect(listing == "sub 1000:1000 755\nsub/token 1000:1000 600\ngröße 1000:1000 644\n")
        let copied = try #require(try await engine.copyOut(of: id, path: "/configs/sub", limit: 1 << 20))
        #expect(copied == [ContainerFile(path: "sub/token", bytes: [1, 2, 3], mode: 0o600)])
        #expect(try await engine.copyOut(of: id, path: "/configs/none", limit: 100) == nil)
        try await engine.removeContainer(id)
        try await engine.removeVolume("\(spec.name)-configs")
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
}
