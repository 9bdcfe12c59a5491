import Glibc
import HTTP
import HTTPClient
import Model
import TestSupport
import Testing

@testable import Docker

/// The engine that `BERTH_TEST_DOCKER_HOST` names (`unix:///path`), with an image of busybox made for one run, and an installation
/// of its own.
struct RealEngine {
    static let socketPath: String? = {
        guard let host = getenv("BERTH_TEST_DOCKER_HOST").map({ String(cString: $0) }), host.hasPrefix("unix://") else { return nil }
        return String(host.dropFirst("unix://".count))
    }()

    let engine: LocalEngine
    let instance: InstanceID
    let image: String
    let workspace = WorkspaceID(random: SystemRandom())
    let log = RecordingLog()
    private let socketPath: String
    private let transport = CurlTransport()

    private struct SystemRandom: RandomSource {
        func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: .min ... .max) } }
    }

    /// - Parameter socketPath: the engine; nil means the one of the test run.
    init(at socketPath: String? = nil) throws {
        self.socketPath = try #require(socketPath ?? Self.socketPath)
        instance = InstanceID(random: SystemRandom())
        image = "berth-test/\(instance.prefix8):1"
        engine = LocalEngine(
            settings: EngineSettings(socketPath: self.socketPath), instance: instance, networkName: "berth-test-\(instance.prefix8)",
            logins: NoLogins(),
            transport: transport, clock: HostClock(), log: log)
    }

    /// Imports an image; unless told otherwise it runs `/configs/run.sh`.
    func makeImage(command: String = #"["/bin/busybox","sh","/configs/run.sh"]"#) async throws {
        let archive = TarWriter.archive(of: [ContainerFile(path: "bin/busybox", bytes: try Self.busybox(), mode: 0o755)])
        let change = PercentCoding.encoded("CMD \(command)")
        var request = OutgoingRequest(
            .post, "http://localhost/images/create?fromSrc=-&repo=\(image.dropLast(2))&tag=1&changes=\(change)",
            headers: ["Content-Type": "application/x-tar"], body: .bytes(archive))
        request.unixSocket = socketPath
        let response = try await transport.send(request)
        _ = try await response.body.collect(limit: 1 << 20)
        try #require(response.status == 200)
    }

    /// Takes away everything of this run's installation.
    func cleanUp() async throws {
        let containers = try await engine.containers()
        for container in containers { try await engine.removeContainer(container.id) }
        for workspace in Set(containers.compactMap { WorkspaceLabels($0.labels, of: instance)?.workspace } + [workspace]) {
            for volume in try await engine.volumes(of: workspace) { try await engine.removeVolume(volume) }
        }
        try await removeNetwork()
        try await delete("/images/\(image)?force=1")
    }

    /// A container of this run, on its network, with its volume at `/configs`, both made.
    func spec() async throws -> ContainerSpec {
        let row = Workspace(id: workspace, name: "Real", runtime: "echo", condition: .init(.provisioning), createdAt: Timestamp(seconds: 0))
        var spec = ContainerSpec(name: "ws-\(workspace.prefix12)", image: image, labels: WorkspaceLabels(workspace: row))
        spec.mounts = [.volume(name: "\(spec.name)-configs", at: "/configs")]
        spec.network = try await engine.ensureNetwork()
        try await engine.createVolume("\(spec.name)-configs", labels: spec.labels)
        return spec
    }

    func contract() -> EngineContract {
        EngineContract(backend: engine, instance: instance, image: image, workspace: workspace) { program, container in
            switch program {
            case .serve: try await install("echo $GREETING; echo warned >&2; \(Self.serving)", in: container)
            case .fail: try await install("echo failing; exit 3", in: container)
            }
        }
    }

    /// The clock the engine has, too.
    private struct HostClock: TimeSource {
        func now() -> Timestamp {
            var time = timespec()
            clock_gettime(CLOCK_REALTIME, &time)
            return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
        }

        func sleep(for duration: Duration) async throws { try await Task.sleep(for: duration) }
    }

    /// Serves the files of `/configs` on the agent's port.
    static let serving = "exec /bin/busybox httpd -f -p 8000 -h /configs"

    func install(_ script: String, in container: String) async throws {
        try await engine.copy([ContainerFile(path: "run.sh", bytes: Array(script.utf8))], into: container, at: "/configs")
    }

    /// Runs `body` with the image made, shows the log when it fails, and takes everything away.
    func use(_ body: () async throws -> Void) async throws {
        do {
            try await makeImage()
            try await body()
        } catch {
            Issue.record("\(error)\n\(log.text)")
        }
        try await cleanUp()
    }

    /// What the agent's port answers to `GET path`.
    func fetch(_ url: String) async throws -> [UInt8] {
        let response = try await transport.send(OutgoingRequest(.get, url))
        return try await response.body.collect(limit: 1 << 20)
    }

    func removeNetwork() async throws { try await delete("/networks/berth-test-\(instance.prefix8)") }

    /// What an operator does to a container of ours, past us. Under load the kernel cannot always freeze it at once ("unable to freeze"), and
    /// the engine answers 500.
    func pause(_ container: String) async throws {
        var status = 0
        for _ in 0..<20 where status != 204 { status = try await post("/containers/\(container)/pause") }
        try #require(status == 204)
    }

    private func post(_ path: String) async throws -> Int {
        var request = OutgoingRequest(.post, "http://localhost\(path)")
        request.unixSocket = socketPath
        let response = try await transport.send(request)
        _ = try await response.body.collect(limit: 1 << 20)
        return response.status
    }

    private func delete(_ path: String) async throws {
        var request = OutgoingRequest(.delete, "http://localhost\(path)")
        request.unixSocket = socketPath
        _ = try await transport.send(request).body.collect(limit: 1 << 20)
    }

    private static func busybox() throws -> [UInt8] {
        let file = try #require(fopen("/bin/busybox", "rb"), "install busybox-static")
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { bytes += chunk.prefix(count) }
        return bytes
    }
}
