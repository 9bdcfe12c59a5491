internal import CPostgres
internal import Model

/// A beat and the caller waiting for it.
struct QueuedBeat: Sendable {
    let beat: Beat
    let answer: @Sendable (Result<BeatRecord?, any Error>) -> Void
}

/// Sends whatever beats are waiting as one pipeline with one Sync, which makes them one transaction and one wait for the disk. Beats that
/// arrive meanwhile become the next one.
final class BeatPipeline {
    private let session: PostgresSession
    private let clock: any TimeSource
    private let order: CommitOrder

    private typealias Outcome = Result<(BeatRecord, WorkspaceEvent?)?, any Error>

    init(session: PostgresSession, clock: any TimeSource, order: CommitOrder) {
        self.session = session
        self.clock = clock
        self.order = order
    }

    func run(_ queued: [QueuedBeat]) {
        // In the order of ids, as every transaction that locks several rows: otherwise two of them could wait for each other.
        let sorted = queued.enumerated().sorted {
            ($0.element.beat.workspaceID.text, $0.offset) < ($1.element.beat.workspaceID.text, $1.offset)
        }
        .map(\.element)
        do {
            answer(sorted, try commit(sorted))
        } catch {
            for beat in sorted { beat.answer(.failure(error)) }
        }
    }

    /// One failing statement undoes its whole batch: its members are then sent one by one, and only the guilty one fails.
    private func commit(_ beats: [QueuedBeat]) throws -> [Outcome] {
        let outcomes = try together(beats)
        guard beats.count > 1, outcomes.contains(where: { (try? $0.get()) == nil }) else { return outcomes }
        return try beats.flatMap { try together([$0]) }
    }

    private func together(_ beats: [QueuedBeat]) throws -> [Outcome] {
        let ticket = order.begin()
        var events: [WorkspaceEvent] = []
        defer { order.end(ticket, events) }
        do {
            let outcomes = try exchange(beats, on: session.open(), at: clock.now())
            if !outcomes.contains(where: { $0.isFailure }) { events = outcomes.compactMap { try? $0.get()?.1 } }
            return outcomes
        } catch {
            session.drop()
            throw error
        }
    }

    private func exchange(_ beats: [QueuedBeat], on connection: PostgresConnection, at now: Timestamp) throws -> [Outcome] {
        let name = try connection.prepared(PostgresBeat.statement)
        guard PQenterPipelineMode(connection.handle) == 1 else { throw connection.lost() }
        for queued in beats { try connection.send(name, PostgresBeat.parameters(queued.beat, at: now)) }
        guard PQpipelineSync(connection.handle) == 1 else { throw connection.lost() }
        try connection.flush()
        let outcomes = try beats.map { try outcome(of: $0.beat, on: connection, at: now) }
        try awaitSync(connection)
        guard PQexitPipelineMode(connection.handle) == 1 else { throw connection.lost() }
        return outcomes
    }

    /// Reads one statement's results, up to the nil that ends them.
    private func outcome(of beat: Beat, on connection: PostgresConnection, at now: Timestamp) throws -> Outcome {
        var outcome = Outcome.failure(SQLFailure(kind: .statement, message: "a beat got no answer"))
        while let result = try connection.nextResult() {
            switch PQresultStatus(result.handle) {
            case PGRES_TUPLES_OK:
                outcome = Outcome { try result.rows.first.map { try PostgresBeat.record($0, of: beat.workspaceID, at: now) } }
            case PGRES_PIPELINE_ABORTED:
                outcome = .failure(SQLFailure(kind: .conflict, message: "another beat of the batch failed"))
            default:
                let failure = result.failure
                if failure.kind == .connectionLost { throw failure }
                outcome = .failure(failure)
            }
        }
        return outcome
    }

    /// The Sync is answered when the transaction is committed: until then no beat of the batch counts. A commit that failed reports
    /// itself here.
    private func awaitSync(_ connection: PostgresConnection) throws {
        while true {
            guard let result = try connection.nextResult() else { throw connection.lost("the batch was not confirmed") }
            if PQresultStatus(result.handle) == PGRES_PIPELINE_SYNC { return }
            throw result.failure
        }
    }

    private func answer(_ beats: [QueuedBeat], _ outcomes: [Outcome]) {
        for (beat, outcome) in zip(beats, outcomes) { beat.answer(outcome.map { $0?.0 }) }
    }
}

extension Result {
    fileprivate var isFailure: Bool { if case .failure = self { true } else { false } }
}
