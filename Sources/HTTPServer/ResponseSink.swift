import HTTP
import Synchronization

/// The body of one streamed response on its way from its producer to the event loop. With nothing to send the connection is taken out of
/// its loop; with more than `highWater` waiting the producer waits.
final class ResponseSink: ByteSink {
    /// What libmicrohttpd's content reader answers instead of a count.
    static let endOfStream = -1
    static let cutConnection = -2
    static let highWater = 256 * 1024

    private enum Ending { case finished, failed }

    private struct State {
        var queue = ByteQueue()
        var ending: Ending?
        var held = false
        var gone = false
        var writers: [CheckedContinuation<Void, any Error>] = []
    }

    private let connection: ConnectionHandle
    private let state = Mutex(State())

    init(connection: ConnectionHandle) { self.connection = connection }

    // MARK: The producer's side

    func write(_ bytes: [UInt8]) async throws {
        try Task.checkCancellation()
        let full = try state.withLock { state in
            if state.gone { throw ConnectionLost() }
            state.queue.append(bytes)
            release(&state)
            return state.queue.count > Self.highWater
        }
        if full { try await waitForReader() }
    }

    private func waitForReader() async throws {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let ready: Result<Void, any Error>? = state.withLock { state in
                    if state.gone { return .failure(ConnectionLost()) }
                    if state.ending != nil { return .failure(CancellationError()) }
                    if state.queue.count <= Self.highWater { return .success(()) }
                    state.writers.append(continuation)
                    return nil
                }
                if let ready { continuation.resume(with: ready) }
            }
        } onCancel: {
            end(.failed, throwing: CancellationError())
        }
    }

    /// The body is complete.
    func finish() { end(.finished, throwing: CancellationError()) }

    /// The body stays incomplete: what is queued goes out, then the connection is cut.
    func fail() { end(.failed, throwing: CancellationError()) }

    private func end(_ ending: Ending, throwing error: any Error) {
        let writers = state.withLock { state in
            if state.ending == nil { state.ending = ending }
            release(&state)
            defer { state.writers = [] }
            return state.writers
        }
        for writer in writers { writer.resume(throwing: error) }
    }

    // MARK: The event loop's side

    /// Fills `buffer`; 0 means the connection is suspended until there is something to send.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let (answer, writers): (Int, [CheckedContinuation<Void, any Error>]) = state.withLock { state in
            if state.gone { return (Self.cutConnection, []) }
            let moved = state.queue.move(into: buffer)
            if moved > 0 {
                guard state.queue.count <= Self.highWater / 2 else { return (moved, []) }
                defer { state.writers = [] }
                return (moved, state.writers)
            }
            switch state.ending {
            case .finished: return (Self.endOfStream, [])
            case .failed: return (Self.cutConnection, [])
            case nil:
                state.held = true
                connection.suspend()
                return (0, [])
            }
        }
        for writer in writers { writer.resume() }
        return answer
    }

    /// The receiver went away. The connection must still be valid; it is given back to its loop if it was held.
    func cut() { end(resuming: true) }

    /// The connection is no longer ours to resume.
    func detach() { end(resuming: false) }

    /// In one step: a reader that came between the resuming and the mark would suspend the connection for ever.
    private func end(resuming: Bool) {
        let writers = state.withLock { state in
            if resuming { release(&state) }
            state.gone = true
            state.queue.removeAll()
            defer { state.writers = [] }
            return state.writers
        }
        for writer in writers { writer.resume(throwing: ConnectionLost()) }
    }

    private func release(_ state: inout State) {
        guard state.held, !state.gone else { return }
        state.held = false
        connection.resume()
    }
}
