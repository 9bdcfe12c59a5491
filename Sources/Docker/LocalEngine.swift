public import HTTP
public import Model
internal import Synchronization

/// A Docker engine (20.10 or newer, or podman's socket) on this host, as the place that runs workspaces.
///
/// Everything it makes carries `molecule.platform.managed` and `molecule.platform.instance`; everything it lists is filtered by them, by
/// the engine and again here, so two installations on one engine never see each other's things. Errors are `BackendError` or
/// `CancellationError`; the engine's own words go to `log` only.
public final class LocalEngine: Sendable {
    let client: EngineClient
    let instance: InstanceID
    let networkName: String
    let logins: any RegistryLoginFinding
    let clock: any TimeSource
    let log: any LogSink
    private let freeBytesUnder: @Sendable (String) -> Int64?
    let networkInTheMaking = Mutex<Task<WorkspaceNetwork, any Error>?>(nil)
    private let knownProcessors = Mutex<Int?>(nil)

    /// A disk with less than this left is full: engines need some room even for the smallest container.
    static let leastFreeBytes: Int64 = 1 << 20

    /// `clock` must be the engine's own, that of this host: a container's age is read from it. `freeBytes` tells the bytes that can still be written under a directory of this host, nil when it cannot be told: a full disk is
    /// told from other failures of the engine by it.
    public init(
        settings: EngineSettings, instance: InstanceID, networkName: String, logins: any RegistryLoginFinding,
        transport: any HTTPTransport, clock: any TimeSource, log: any LogSink,
        freeBytes: @escaping @Sendable (String) -> Int64? = LocalDisk.freeBytes
    ) {
        client = EngineClient(settings: settings, transport: transport)
        self.instance = instance
        self.networkName = networkName
        self.logins = logins
        self.clock = clock
        self.log = log
        freeBytesUnder = freeBytes
    }

    /// The labels by which our things are found.
    var ownership: [String: String] { [WorkspaceLabels.managed: "true", WorkspaceLabels.instance: instance.text] }

    func ownership(of workspace: WorkspaceID) -> [String: String] {
        ownership.merging([WorkspaceLabels.workspaceID: workspace.text]) { $1 }
    }

    /// Makes a call, with its failure explained.
    func run<Endpoint: EngineEndpoint>(_ endpoint: Endpoint) async throws -> Endpoint.Answer {
        do {
            return try await repeated(endpoint)
        } catch let error as EngineError {
            throw explained(error, endpoint.call, meaning: endpoint.meaning)
        }
    }

    private func repeated<Endpoint: EngineEndpoint>(_ endpoint: Endpoint) async throws -> Endpoint.Answer {
        for _ in 1..<endpoint.mostAttempts {
            do {
                return try await client.perform(endpoint)
            } catch let error as EngineError where endpoint.mayRepeat(after: error) {
                log.info("engine call repeated", ("call", endpoint.call.path), ("engine", error.rawBody))
            }
        }
        return try await client.perform(endpoint)
    }

    /// Makes a call that takes disk space. When the engine fails on its side, its disk is looked at: only the wording of its message
    /// would tell otherwise.
    func run<Endpoint: EngineEndpoint>(_ endpoint: Endpoint, writing bytes: Int) async throws -> Endpoint.Answer {
        do {
            return try await run(endpoint)
        } catch let error as BackendError where error.kind == .failed {
            throw await diskIsFull(for: bytes) ? .diskFull : error
        }
    }

    func open(_ stream: some EngineStream) async throws -> EngineBody {
        do {
            return EngineBody(source: try await client.open(stream), client: client)
        } catch let error as EngineError {
            throw explained(error, stream.call, meaning: stream.meaning)
        }
    }

    /// The error a caller sees; the raw one is logged here and goes no further.
    func explained(_ error: EngineError, _ call: EngineCall, meaning: (Int) -> BackendError) -> BackendError {
        let backendError = BackendError(error, meaning: meaning)
        let fields = [
            ("call", "\(call.method.rawValue) \(call.path)"), ("status", error.status.map(String.init) ?? "none"),
            ("code", backendError.code.rawValue), ("engine", error.rawBody),
        ]
        log.log(backendError.kind == .failed ? .warning : .info, "engine call failed", fields)
        return backendError
    }

    /// How many processors the engine has, asked once. nil when it does not say.
    func processors() async throws -> Int? {
        if let known = knownProcessors.withLock({ $0 }) { return known }
        let answer = try await run(Info()).processors
        knownProcessors.withLock { $0 = answer }
        return answer
    }

    func freeBytes(under directory: String) -> Int64? { freeBytesUnder(directory) }

    /// Whether the engine's disk has no room for `bytes` more.
    func diskIsFull(for bytes: Int) async -> Bool {
        // An engine that cannot even say where its data is leaves the first failure as the better explanation.
        guard let root = try? await client.perform(Info()).rootDirectory, let free = freeBytesUnder(root) else { return false }
        return free < max(Self.leastFreeBytes, Int64(bytes))
    }
}

extension BackendError {
    static let diskFull = BackendError(
        .failed, .diskFull, "The disk of the Docker engine is full.",
        next: "Free space (`docker system df` shows what takes it), then create the workspace again.")
}

extension LocalEngine: EngineProbing {
    public func probe() async throws -> EngineFacts {
        do {
            let (version, identity) = try await client.negotiate()
            return EngineFacts(version: identity.release, apiVersion: version.description, operatingSystem: identity.operatingSystem)
        } catch let error as EngineError {
            throw explained(error, Ping().call, meaning: Ping().meaning)
        }
    }
}
