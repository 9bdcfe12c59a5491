import Events
import HTTP
import HTTPClient
import Model
import Proxy
import Synchronization
import TestSupport

/// A proxy that sends through the real client to scripted agents, over rows and time in memory.
struct ProxyRig {
    let book: FakeRecords
    let shelf = ContainerShelf()
    let clock = ManualClock()
    let hub = WatchedHub()
    let log = RecordingLog()
    let sleepers = FakeWaking()
    let resolver: ScriptedResolver
    var settings = ProxySettings()
    var mode = AddressPolicy.Mode.strict

    init(names: [String: [[String]]] = [:]) {
        book = FakeRecords(clock: clock)
        resolver = ScriptedResolver(names)
    }

    var proxy: AgentProxy { proxy(over: CurlTransport()) }

    func proxy(over transport: any HTTPTransport) -> AgentProxy {
        AgentProxy(
            workspaces: book, containers: shelf, urlGuard: AgentURLGuard(mode: mode, resolver: resolver), transport: transport,
            events: hub, publish: hub, waking: sleepers, clock: clock, random: SeededRandom(seed: 7), log: log, settings: settings)
    }

    static let message = #"{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"messageId":"m","parts":[]}}}"#
    static let streamMessage = #"{"jsonrpc":"2.0","id":1,"method":"message/stream","params":{"message":{"messageId":"m","parts":[]}}}"#

    /// Puts an online workspace in front of `agent`.
    func serve(_ agent: ScriptedServer, change: (inout Workspace) -> Void = { _ in }) {
        var row = Sample.workspace(1, url: "http://127.0.0.1:\(agent.port)")
        change(&row)
        book.add(row)
    }

    func dispatch(_ body: String = message, from caller: Caller = .person, to number: Int = 1, headers: Headers = Headers()) async
        -> Response
    {
        await proxy.dispatch(to: Sample.sampleID(number), from: caller, request: Self.request(body, headers: headers))
    }

    static func request(_ body: String, headers: Headers = Headers()) -> Request {
        Request(method: .post, path: "/", headers: headers, body: BufferedSource([Array(body.utf8)]))
    }
}

/// The real hub, which also tells when a dispatch has dealt with an event: by asking for the next one.
final class WatchedHub: EventPublishing, EventSubscribing {
    private let hub = EventHub()
    let notes = Notes()
    private let asked = Mutex(0)

    func publish(_ events: [WorkspaceEvent]) {
        hub.publish(events)
        for event in events { notes.add(event.kind.rawValue) }
    }

    func subscribe(to id: WorkspaceID?) -> AsyncStream<EventDelivery> {
        let deliveries = hub.subscribe(to: id)
        let iterator = Mutex(IteratorBox(deliveries.makeAsyncIterator()))
        notes.add("subscribed")
        return AsyncStream {
            let number = self.asked.withLock { count in
                count += 1
                return count
            }
            self.notes.add("asked \(number)")
            return await iterator.withLock { $0 }.next()
        }
    }

    func tell(_ kind: EventKind, of id: WorkspaceID = Sample.id) {
        publish([WorkspaceEvent(workspaceID: id, sequence: nil, kind: kind, at: Timestamp(seconds: 0), payload: [:])])
    }
}

/// One reader at a time, as `AsyncStream` asks for.
private final class IteratorBox: @unchecked Sendable {
    private var iterator: AsyncStream<EventDelivery>.Iterator

    init(_ iterator: AsyncStream<EventDelivery>.Iterator) { self.iterator = iterator }
    func next() async -> EventDelivery? { await iterator.next() }
}

extension Response {
    var text: String {
        if case .bytes(let bytes) = body { String(decoding: bytes, as: UTF8.self) } else { "(a stream)" }
    }

    var json: JSONValue { (try? JSONValue(parsing: text)) ?? .null }
    var code: String? { json["code"]?.string }

    /// Writes a streamed body into `sink`, as a server does.
    func write(to sink: any ByteSink) async throws {
        switch body {
        case .bytes(let bytes): try await sink.write(bytes)
        case .stream(_, let produce): try await produce(sink)
        }
    }
}

/// Keeps what is written, and notes each text for a test to wait for.
final class NotedSink: ByteSink {
    let notes = Notes()
    private let collected = Mutex<[UInt8]>([])

    var text: String { collected.withLock { String(decoding: $0, as: UTF8.self) } }

    func write(_ bytes: [UInt8]) async throws {
        collected.withLock { $0 += bytes }
        notes.add(text)
    }
}

/// Returns when `condition` holds, or the test's time is up: for facts that nobody announces.
func until(_ condition: @Sendable () -> Bool) async {
    while !condition(), !Task.isCancelled { await Task.yield() }
}
