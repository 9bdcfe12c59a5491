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
    let log = RecordingLog()
    private let socketPath: String
    private let transport = CurlTransport()

    private struct SystemRandom: RandomSource {
        func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: .min ... .max) } }
    }

    static func freshWorkspace() -> WorkspaceID { WorkspaceID(random: SystemRandom()) }

    init() throws {
        socketPath = try #require(Self.socketPath)
        instance = InstanceID(random: SystemRandom())
        image = "berth-test/\(instance.prefix8):1"
        engine = LocalEngine(
            settings: EngineSettings(socketPath: socketPath), instance: instance, networkName: "berth-test-\(instance.prefix8)",
            credentials: nil,
            transport: transport, log: log)
    }

    /// Imports an image that runs `/configs/run.sh`.
    func makeImage() async throws {
        let archive = TarWriter.archive(of: [ContainerFile(path: "bin/busybox", bytes: try Self.busybox(), mode: 0o755)])
        let change = PercentCoding.encoded(#"CMD ["/bin/busybox","sh","/configs/run.sh"]"#)
        var request = OutgoingRequest(
            .post, "http://localhost/images/create?fromSrc=-&repo=\(image.dropLast(2))&tag=1&changes=\(change)",
            headers: ["Content-Type": "application/x-tar"], body: .bytes(archive))
        request.unixSocket = socketPath
        let response = try await transport.send(request)
        _ = try await response.body.collect(limit: 1 << 20)
        try #require(response.status == 200)
    }

    /// Takes away everything of this run's installation.
    func cleanUp(_ contract: EngineContract) async throws {
        try await contract.cleanUp()
        try await delete("/networks/berth-test-\(instance.prefix8)")
        try await delete("/images/\(image)?force=1")
    }

    func contract(_ workspace: WorkspaceID) -> EngineContract {
        EngineContract(backend: engine, instance: instance, image: image, workspace: workspace) { [engine] program, container in
            let script =
                switch program {
                case .serve: "echo $GREETING\necho warned >&2\nexec /bin/busybox httpd -f -p 8000 -h /configs\n"
                case .fail: "echo failing\nexit 3\n"
                }
            try await engine.copy([ContainerFile(path: "run.sh", bytes: Array(script.utf8))], into: container, at: "/configs")
        }
    }

    /// What the agent's port answers to `GET path`.
    func fetch(_ url: String) async throws -> [UInt8] {
        let response = try await transport.send(OutgoingRequest(.get, url))
        return try await response.body.collect(limit: 1 << 20)
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
