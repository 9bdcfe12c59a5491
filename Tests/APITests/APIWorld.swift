import API
import Events
import HTTP
import Model
import Provisioner
import Proxy
import Registry
import Synchronization
import TestSupport

/// The doors over the real policy, with fakes for the store, the engine and the templates. The admin token is `the-admin-token`; the token of a workspace is `token-of-<id>`.
struct APIWorld {
    static let admin = "the-admin-token"

    let clock = ManualClock()
    let hub = EventHub()
    let rows: FakeRecords
    let engine: FakeEngine
    let log = RecordingLog()
    let templates = FakeTemplates()
    let orphans = FakeOrphans()
    let images = FakeImageKeeper()
    let provisioner: WorkspaceProvisioner
    let api: BerthAPI
    private let random = SeededRandom(seed: 7)

    init(
        probes: [ReadinessProbe] = [], loops: [LoopTick] = [],
        _ change: (inout APISettings) -> Void = { _ in }
    ) {
        var settings = APISettings(adminToken: Self.admin, startedAt: Timestamp(seconds: 1_800_000_000), version: "1.2.3")
        settings.peopleDoorIsLoopback = true
        change(&settings)
        rows = FakeRecords(clock: clock, live: hub)
        engine = FakeEngine(instance: InstanceID("test-instance")!, clock: clock)
        let policy = AgentURLGuard(mode: .strict, resolver: NoNames())
        let tokens = FakeTokens()
        provisioner = WorkspaceProvisioner(
            records: rows, backend: engine, templates: templates, tokens: tokens, addressGuard: policy,
            images: PlainImages(engine: engine), cards: FakeCards(), live: hub, clock: clock, random: random, log: log,
            settings: ProvisionSettings())
        var services = APIServices(
            provisioner: provisioner,
            registry: AgentRegistry(
                records: rows, containers: engine, urlGuard: policy, tokens: tokens, live: hub, clock: clock, log: log),
            proxy: AgentProxy(
                workspaces: rows, containers: engine, urlGuard: policy, transport: NoTransport(), events: hub, publish: hub,
                waking: provisioner, clock: clock,
                random: random, log: log),
            feed: EventFeed(stored: rows, live: hub), workspaces: rows, operations: rows, tokenOwners: rows, containers: engine,
            orphans: orphans, images: images, audit: rows, templates: templates, tokens: tokens, clock: clock, random: random, log: log)
        services.probes = probes
        services.loops = { loops }
        api = BerthAPI(services: services, settings: settings)
    }

    /// A workspace as if it had been made earlier. Each is a second younger than the one before.
    @discardableResult
    func add(_ name: String, _ status: WorkspaceStatus = .online, _ change: (inout Workspace) -> Void = { _ in }) -> WorkspaceID {
        let id = WorkspaceID(random: random)
        let born = Timestamp(seconds: 1_700_000_000 + Int64(rows.rows.count))
        var row = Workspace(id: id, name: name, runtime: "echo", condition: WorkspaceCondition(status), createdAt: born)
        row.generation = 1
        change(&row)
        rows.arrange(row, token: Self.token("token-of-\(id)"))
        return id
    }

    static func token(_ text: String) -> TokenDigest { TokenDigest(hash: Array(text.utf8), prefix: String(text.prefix(8))) }

    /// Every read fails from now on.
    func goDown(_ error: any Error = StoreError.unavailable) {
        for name in ["workspace", "liveWorkspaces", "tokenOwner", "events", "lastSequence"] { rows.faults.on(name, nth: 0, .fail(error)) }
    }

    func call(
        _ method: Method, _ target: String, at door: Door = .people, bearer: String? = nil, headers: Headers = [:], body: String = ""
    ) async -> Answer {
        let halves = target.split(separator: "?", maxSplits: 1)
        var headers = headers
        if let bearer { headers["Authorization"] = "Bearer \(bearer)" }
        let request = Request(
            method: method, path: String(halves[0]), query: halves.count > 1 ? Query(parsing: halves[1]) : Query(), headers: headers,
            body: BufferedSource(body.isEmpty ? [] : [Array(body.utf8)]))
        return await Answer(api.handler(for: door)(request))
    }
}

/// An answer with its body read to the end.
struct Answer {
    let status: Int
    let headers: Headers
    let text: String
    let cut: Bool

    init(_ response: Response) async {
        status = response.status
        headers = response.headers
        switch response.body {
        case .bytes(let bytes):
            text = String(decoding: bytes, as: UTF8.self)
            cut = false
        case .stream(_, let produce):
            let sink = CollectingSink()
            cut = await (try? produce(sink)) == nil
            text = sink.text
        }
    }

    var json: JSONValue { (try? JSONValue(parsing: text)) ?? .null }
    var code: String? { json["code"]?.string }
}

final class CollectingSink: ByteSink {
    private let bytes = Mutex<[UInt8]>([])

    var text: String { String(decoding: bytes.withLock { $0 }, as: UTF8.self) }
    func write(_ chunk: [UInt8]) async throws { bytes.withLock { $0.append(contentsOf: chunk) } }
}

struct NoNames: HostResolving {
    func addresses(of host: String) async throws -> [String] { [] }
}

struct NoTransport: HTTPTransport {
    func send(_ request: OutgoingRequest) async throws -> IncomingResponse { throw TransportError(.connectionRefused) }
}
