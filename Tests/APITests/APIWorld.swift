import API
import Events
import HTTP
import Model
import Provisioner
import Proxy
import Registry
import Synchronization
import TestSupport

/// The doors over rows in memory. The admin token is `the-admin-token`; the token of a workspace is `token-of-<id>`.
struct APIWorld {
    static let admin = "the-admin-token"

    let rows = Rows()
    let containers = Containers()
    let hub = EventHub()
    let clock = ManualClock()
    let log = RecordingLog()
    let templates = FixedTemplates()
    let api: BerthAPI

    init(
        probes: [ReadinessProbe] = [], loops: [LoopTick] = [], transport: any HTTPTransport = NoTransport(),
        _ change: (inout APISettings) -> Void = { _ in }
    ) {
        var settings = APISettings(adminToken: Self.admin, startedAt: Timestamp(seconds: 1_800_000_000), version: "1.2.3")
        settings.peopleDoorIsLoopback = true
        change(&settings)
        let random = SeededRandom(seed: 7)
        let policy = AgentURLGuard(mode: .strict, resolver: NoNames())
        var services = APIServices(
            provisioner: WorkspaceProvisioner(
                records: rows, backend: containers, templates: templates, tokens: PlainTokens(), addressGuard: policy, live: hub,
                clock: clock,
                random: random, log: log, settings: ProvisionSettings()),
            registry: AgentRegistry(
                records: rows, containers: containers, urlGuard: policy, tokens: PlainTokens(), live: hub, clock: clock, log: log),
            proxy: AgentProxy(
                workspaces: rows, containers: containers, urlGuard: policy, transport: transport, events: hub, publish: hub, clock: clock,
                random: random, log: log),
            feed: EventFeed(stored: rows, live: hub), workspaces: rows, tokenOwners: rows, containers: containers, templates: templates,
            tokens: PlainTokens(), clock: clock, random: random, log: log)
        services.probes = probes
        services.loops = { loops }
        api = BerthAPI(services: services, settings: settings)
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

/// Tokens whose hash is their text, so that a test can read them.
struct PlainTokens: TokenMaking {
    func issue() -> IssuedToken { IssuedToken(plaintext: "issued", digest: TokenDigest(hash: hash("issued"), prefix: "issued")) }
    func hash(_ plaintext: String) -> [UInt8] { Array(plaintext.utf8) }
    func matches(_ left: String, _ right: String) -> Bool { left == right }
}

struct NoNames: HostResolving {
    func addresses(of host: String) async throws -> [String] { [] }
}

struct NoTransport: HTTPTransport {
    func send(_ request: OutgoingRequest) async throws -> IncomingResponse { throw TransportError(.connectionRefused) }
}

final class FixedTemplates: TemplateSource, TemplateFileReading {
    private let kept = Mutex(TemplateCatalog())

    func set(_ catalog: TemplateCatalog) { kept.withLock { $0 = catalog } }
    func catalog() async -> TemplateCatalog { kept.withLock { $0 } }
    func files(of template: Template) async throws -> [ContainerFile] { [] }
}
