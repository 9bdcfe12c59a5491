import Model
import Secrets
import Store
import Sweeper

/// Full passes of the reconciler over an installation of one size, against what is done with the same rows and containers without it.
/// Times are medians in milliseconds.
struct Measurement {
    let rows: Int
    let containers: Int
    /// Rows and containers in memory: the plan and the loop alone.
    let pass: Double
    /// The least that any comparison does: match each container with its row in a dictionary.
    let join: Double
    /// Rows read from SQLite, as berthd does.
    let storedPass: Double
    /// Reading and decoding these rows, and nothing else.
    let reading: Double

    var json: JSONValue {
        [
            "rows": .int(rows), "containers": .int(containers), "pass_ms": .double(pass), "join_ms": .double(join),
            "stored_pass_ms": .double(storedPass), "read_ms": .double(reading),
        ]
    }

    init(rows count: Int, rounds: Int, directory: String) async throws {
        let clock = StandingClock(time: Timestamp(seconds: 1_800_000_000))
        let landscape = Landscape(rows: count, now: clock.time, random: SodiumRandom())
        let store = try await Self.store(landscape, at: "\(directory)/\(count).db", clock)
        let memory = Pass(StillRecords(rows: landscape.rows), landscape, clock)
        let stored = Pass(store, landscape, clock)
        var times: [[Double]] = [[], [], [], []]
        for round in 0...rounds {
            let found = [
                try await Self.milliseconds { try await memory.run() }, try await Self.milliseconds { Self.join(landscape) },
                try await Self.milliseconds { try await stored.run() },
                try await Self.milliseconds { _ = (try await store.liveWorkspaces(), try await store.workspacesPendingCleanup()) },
            ]
            // The first round warms up.
            if round > 0 { for (index, time) in found.enumerated() { times[index].append(time) } }
        }
        await store.close()
        (rows, containers) = (landscape.rows.count, landscape.containers.count)
        let medians = times.map { $0.sorted()[rounds / 2] }
        (pass, join, storedPass, reading) = (medians[0], medians[1], medians[2], medians[3])
    }

    private static func store(_ landscape: Landscape, at path: String, _ clock: StandingClock) async throws -> any WorkspaceStore {
        guard let instance = Landscape.instance else { throw WrongResult(what: "the instance id is not one") }
        let random = SodiumRandom()
        let store = try await openStore(
            .sqlite(path: path), instance: instance, sealer: SecretSealer(key: random.bytes(32), random: random), clock: clock,
            random: random, log: NoLog(), onCommitted: { _ in })
        try await withThrowingTaskGroup(of: Void.self) { group in
            for row in landscape.rows { group.addTask { _ = try await store.insert(NewWorkspace(workspace: row)) } }
            try await group.waitForAll()
        }
        return store
    }

    private static func milliseconds(_ body: () async throws -> Void) async throws -> Double {
        let time = try await ContinuousClock().measure(body)
        let (seconds, attoseconds) = time.components
        return Double(seconds) * 1000 + Double(attoseconds) / 1e15
    }

    private static func join(_ landscape: Landscape) {
        var byWorkspace: [String: [ContainerFacts]] = [:]
        for container in landscape.containers {
            if let id = container.labels[WorkspaceLabels.workspaceID] { byWorkspace[id, default: []].append(container) }
        }
        let differing = landscape.rows.count { row in byWorkspace[row.id.text]?.contains { $0.state == .exited } ?? false }
        precondition(differing == landscape.ended, "the join found something else than the pass")
    }
}

/// A pass must find exactly what is wrong: a fast wrong answer would look good.
struct Pass {
    let loop: ReconcileLoop
    let counter = Counter()
    let landscape: Landscape

    init(_ records: any WorkspaceReading, _ landscape: Landscape, _ clock: StandingClock) {
        self.landscape = landscape
        loop = ReconcileLoop(
            records: records, containers: StillEngine(all: landscape.containers), reconciler: counter, templates: NoTemplates(),
            policy: ReconcilePolicy(), clock: clock, log: NoLog())
    }

    func run() async throws {
        await loop.fullPass()
        let starts = counter.taken().count { action in
            if case .startAgain = action { true } else { false }
        }
        guard starts == landscape.ended else { throw WrongResult(what: "\(starts) of \(landscape.ended) ended containers were found") }
    }
}

struct WrongResult: Error {
    let what: String
}
