import Glibc
import Model
import Secrets
import Store
import Synchronization
import TestSupport
import Testing

/// The databases every test of this suite runs on. PostgreSQL is left out only where it is not installed, which
/// `StorePresenceTests` says aloud.
enum DatabaseKind: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case sqlite, postgres

    static let present: [DatabaseKind] = PostgresServer.isInstalled ? [.sqlite, .postgres] : [.sqlite]

    var testDescription: String { rawValue }
}

/// A store of a test's own on an empty database, with everything it was given at hand.
struct StoreFixture: Sendable {
    let store: any WorkspaceStore
    let location: StoreLocation
    let clock: ManualClock
    let committed: CommittedEvents
    let log: RecordingLog
    let tokens = TokenMaker()

    static let instance = InstanceID("test-instance").unsafelyUnwrapped

    /// Runs `body` with a fresh store and closes it afterwards.
    static func with(_ kind: DatabaseKind, _ body: (StoreFixture) async throws -> Void) async throws {
        let directory = TemporaryDirectory()
        defer { directory.remove() }
        let fixture = try await open(location(kind, in: directory))
        do {
            try await body(fixture)
        } catch {
            await fixture.store.close()
            throw error
        }
        await fixture.store.close()
    }

    static func location(_ kind: DatabaseKind, in directory: TemporaryDirectory) async throws -> StoreLocation {
        switch kind {
        case .sqlite: .sqlite(path: directory.path + "/berth.db")
        case .postgres: .postgres(url: try await PostgresServer.shared().makeDatabase())
        }
    }

    static func open(
        _ location: StoreLocation, instance: InstanceID = instance, key: [UInt8] = Array(0..<32), clock: ManualClock = ManualClock()
    ) async throws -> StoreFixture {
        let (committed, log) = (CommittedEvents(), RecordingLog())
        let store = try await openStore(
            location, instance: instance, sealer: SecretSealer(key: key), clock: clock, random: SeededRandom(seed: 1), log: log
        ) { committed.add($0) }
        return StoreFixture(store: store, location: location, clock: clock, committed: committed, log: log)
    }

    var records: RecordsFixture { RecordsFixture(store: store, clock: clock, committed: committed) }

    func workspace(_ condition: WorkspaceCondition = .init(.provisioning), parent: WorkspaceID? = nil, name: String = "w") async throws
        -> Agent
    { try await records.workspace(condition, parent: parent, name: name) }
    func circle(with first: WorkspaceID) async throws -> WorkspaceID { try await records.circle(with: first) }
    func row(_ agent: Agent) async throws -> Workspace { try await records.row(agent) }
    func storedEvents(_ id: WorkspaceID) async throws -> [WorkspaceEvent] { try await records.storedEvents(id) }
}

/// A workspace and the token its agent holds.
struct Agent: Sendable {
    let id: WorkspaceID
    var token: IssuedToken

    /// A beat as the registry decodes it.
    func beat(
        rate: Double = 0, wedged: Bool = false, task: String? = nil, overrides: RuntimeOverrides? = nil,
        sampleError: String = ""
    ) -> Beat {
        func moves(selfManaged: Bool) -> [WorkspaceCondition: WorkspaceStatusMachine.Transition] {
            WorkspaceStatusMachine.beatTable(
                BeatSignal(wedged: wedged, errorRate: rate, managesOwnStatus: selfManaged, sampleError: sampleError))
        }
        var beat = Beat(
            workspaceID: id, tokenHash: token.digest.hash, moves: moves(selfManaged: false), movesWhenSelfManaged: moves(selfManaged: true))
        beat.errorRate = rate
        beat.sampleError = sampleError
        beat.currentTask = task
        beat.overrides = overrides
        return beat
    }
}

/// What `onCommitted` was given, in its order.
final class CommittedEvents: EventPublishing {
    private let events = Mutex<[WorkspaceEvent]>([])

    var all: [WorkspaceEvent] { events.withLock { $0 } }

    func add(_ new: [WorkspaceEvent]) { events.withLock { $0 += new } }
    func publish(_ events: [WorkspaceEvent]) { add(events) }
    func of(_ id: WorkspaceID) -> [WorkspaceEvent] { all.filter { $0.workspaceID == id } }
}

struct TemporaryDirectory: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/berth-store-XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil, "no temporary directory")
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The directories of these tests are flat.
    func remove() {
        for name in names { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    var names: [String] {
        guard let listing = opendir(path) else { return [] }
        defer { closedir(listing) }
        var names: [String] = []
        while let entry = readdir(listing) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self) }
            names.append(String(cString: name))
        }
        return names.filter { $0 != "." && $0 != ".." }
    }
}

func contents(of path: String) -> [UInt8] {
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    var all: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while case let count = read(descriptor, &buffer, buffer.count), count > 0 { all += buffer.prefix(count) }
    return all
}

/// What psql prints for `query`.
func psql(_ url: String, _ query: String) async throws -> String { try await PostgresServer.shared().psql(url, query) }

struct Missing: Error {}

extension Optional {
    func orFail() throws -> Wrapped {
        guard let self else { throw Missing() }
        return self
    }
}

extension Result {
    var failure: Failure? { if case .failure(let error) = self { error } else { nil } }
}
