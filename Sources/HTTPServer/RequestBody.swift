import HTTP
import Synchronization

/// The body of one request on its way from the event loop to the handler. Above `highWater` the connection is taken out of its loop, so the
/// client is held back by TCP; the handler's reading puts it back.
final class RequestBody: ByteSource {
    enum Offer { case accepted, held, notWanted }

    private struct State {
        var queue = ByteQueue()
        var ended = false
        var failure: (any Error)?
        var abandoned = false
        var held = false
        var detached = false
        var waiter: CheckedContinuation<[UInt8]?, any Error>?
    }

    static let highWater = 256 * 1024

    private let connection: ConnectionHandle
    private let client: ClientConnection
    private let state = Mutex(State())

    init(connection: ConnectionHandle, client: ClientConnection) {
        self.connection = connection
        self.client = client
    }

    // MARK: The handler's side

    func next() async throws -> [UInt8]? {
        if let ready = state.withLock({ take(&$0) }) { return try ready.get() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let ready = state.withLock { state in
                    let ready = take(&state)
                    if ready == nil { state.waiter = continuation }
                    return ready
                }
                if let ready { continuation.resume(with: ready) }
            }
        } onCancel: {
            fail(CancellationError())
        }
    }

    private func take(_ state: inout State) -> Result<[UInt8]?, any Error>? {
        if let failure = state.failure { return .failure(failure) }
        if let chunk = state.queue.popFirst() {
            if state.queue.count <= Self.highWater / 2 { release(&state) }
            return .success(chunk)
        }
        return state.ended ? .success(nil) : nil
    }

    // MARK: The event loop's side

    /// Offers bytes that just arrived. `held`: they were not taken and the connection is suspended; they are offered again later.
    func offer(_ bytes: UnsafeRawBufferPointer) -> Offer {
        let (offer, waiter): (Offer, CheckedContinuation<[UInt8]?, any Error>?) = state.withLock { state in
            if state.abandoned || state.failure != nil { return (.notWanted, nil) }
            if let waiter = state.waiter {
                state.waiter = nil
                return (.accepted, waiter)
            }
            guard state.queue.count < Self.highWater else {
                state.held = true
                client.pauseDeadline()
                connection.suspend()
                return (.held, nil)
            }
            state.queue.append(Array(bytes))
            return (.accepted, nil)
        }
        waiter?.resume(returning: Array(bytes))
        return offer
    }

    func end() {
        let waiter = state.withLock { state in
            state.ended = true
            return state.waiter.take()
        }
        waiter?.resume(returning: nil)
    }

    /// Every later read throws `error`; the first failure stays.
    func fail(_ error: any Error) {
        let waiter = state.withLock { state -> CheckedContinuation<[UInt8]?, any Error>? in
            guard state.failure == nil else { return nil }
            state.failure = error
            state.queue.removeAll()
            release(&state)
            return state.waiter.take()
        }
        waiter?.resume(throwing: error)
    }

    /// The handler has answered: what still arrives is dropped.
    func abandon() {
        state.withLock { state in
            state.abandoned = true
            state.queue.removeAll()
            release(&state)
        }
    }

    /// The connection is no longer ours to resume.
    func detach() {
        state.withLock { $0.detached = true }
        fail(ConnectionLost())
    }

    private func release(_ state: inout State) {
        guard state.held, !state.detached else { return }
        state.held = false
        client.resumeDeadline()
        connection.resume()
    }
}
