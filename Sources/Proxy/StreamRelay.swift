import HTTP
import Model
import Synchronization

/// Passes an event stream on, chunk by chunk as it comes, and keeps a quiet one alive with comments.
final class StreamRelay: Sendable {
    private let source: any ByteSource
    private let watch: DispatchWatch
    private let clock: any TimeSource
    /// nil: the bytes are not ours to add to.
    private let keepAlive: Duration?
    private let state: Mutex<State>

    private struct State {
        var lastByte: Timestamp
        var boundary = EventBoundary()
        var isBusy = false
        /// The reader of the source, while it waits for a comment to be written.
        var waiting: CheckedContinuation<Void, Never>?
    }

    init(source: any ByteSource, watch: DispatchWatch, clock: any TimeSource, keepAlive: Duration?) {
        self.source = source
        self.watch = watch
        self.clock = clock
        self.keepAlive = keepAlive
        state = Mutex(State(lastByte: clock.now()))
    }

    /// Returns at the end of the stream. Throws when either side went away, or the watch cut the dispatch.
    func run(into sink: any ByteSink) async throws {
        try await watch.guarding {
            try await withThrowingTaskGroup(of: Bool.self) { group in
                group.addTask { try await self.pump(into: sink) }
                if let keepAlive = self.keepAlive { group.addTask { try await self.comment(into: sink, every: keepAlive) } }
                defer { group.cancelAll() }
                _ = try await group.next()
            }
        }
    }

    private func pump(into sink: any ByteSink) async throws -> Bool {
        while let chunk = try await source.next() {
            watch.touch()
            await takeTurn(for: chunk)
            defer { endTurn() }
            try await sink.write(chunk)
        }
        return true
    }

    /// A comment is written only between two events: within one it would tear the event apart.
    private func comment(into sink: any ByteSink, every keepAlive: Duration) async throws -> Bool {
        while true {
            let due = state.withLock { $0.lastByte } + keepAlive
            let now = clock.now()
            if now < due {
                try await clock.sleep(for: due - now)
                continue
            }
            let mayWrite = state.withLock { state in
                state.lastByte = now
                guard !state.isBusy, state.boundary.isBetweenEvents else { return false }
                state.isBusy = true
                return true
            }
            guard mayWrite else { continue }
            defer { endTurn() }
            try await sink.write(ServerSentEvent.keepAlive)
        }
    }

    private func takeTurn(for chunk: [UInt8]) async {
        let now = clock.now()
        await withCheckedContinuation { continuation in
            let waits = state.withLock { state in
                state.lastByte = now
                state.boundary.feed(chunk)
                guard state.isBusy else {
                    state.isBusy = true
                    return false
                }
                state.waiting = continuation
                return true
            }
            if !waits { continuation.resume() }
        }
    }

    /// Hands the turn to whoever waits for it.
    private func endTurn() {
        let waiting = state.withLock { state in
            let waiting = state.waiting
            state.waiting = nil
            state.isBusy = waiting != nil
            return waiting
        }
        waiting?.resume()
    }
}
