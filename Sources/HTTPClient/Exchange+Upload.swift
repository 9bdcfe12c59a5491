import HTTP

extension Exchange {
    /// The request body between its producer and the wire.
    struct Upload {
        var buffer: [UInt8] = []
        var offset = 0
        /// Bytes still owed of an announced length; nil for chunked bodies.
        var owed: Int?
        /// Nothing more will be added.
        var ended = true
        /// Curl waits for the producer.
        var paused = false
        var producer: CheckedContinuation<Void, any Error>?
        var pump: Task<Void, Never>?

        var pending: Int { buffer.count - offset }

        mutating func close() {
            buffer = []
            offset = 0
            owed = nil
            ended = true
            producer = nil
            pump = nil
        }
    }

    enum Fill {
        /// 0 is the end of the body.
        case gave(Int)
        case nothingYet
        case abort
    }

    /// Makes the body available to curl: at once when it is in memory, by a task of its own when it is produced.
    func startUpload() {
        switch request.body {
        case .none: break
        case .bytes(let bytes):
            state.withLock { state in
                state.upload.buffer = bytes
                state.upload.owed = bytes.count
            }
        case .stream(let length, let source):
            state.withLock { state in
                state.upload.owed = length
                state.upload.ended = false
            }
            let pump = Task { await drain(source) }
            let late = state.withLock { state in
                if state.end == nil { state.upload.pump = pump }
                return state.end != nil
            }
            if late { pump.cancel() }
        }
    }

    private func drain(_ source: any ByteSource) async {
        do {
            while let chunk = try await source.next() {
                guard try await offer(chunk) else { return }
            }
            endUpload()
        } catch {
            // Whoever ended the exchange also ended this task; only a failure of the producer is news.
            if !isUploadEnded, finish(throwing: error) { loop.submit(.abandon(self)) }
        }
    }

    private var isUploadEnded: Bool { state.withLock { $0.upload.ended } }

    /// Waits while more than the high-water mark is unsent. False when nobody wants the rest.
    private func offer(_ chunk: [UInt8]) async throws -> Bool {
        var unpause = false
        let wanted = state.withLock { state in
            guard !state.upload.ended else { return false }
            if state.upload.offset > 0 {
                state.upload.buffer.removeFirst(state.upload.offset)
                state.upload.offset = 0
            }
            state.upload.buffer.append(contentsOf: chunk)
            unpause = resumeSending(&state)
            return true
        }
        if unpause { loop.submit(.unpause(self)) }
        guard wanted else { return false }
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            let proceed = state.withLock { state in
                if state.upload.ended || state.upload.pending < Self.highWater { return true }
                state.upload.producer = continuation
                return false
            }
            if proceed { continuation.resume() }
        }
        return true
    }

    private func endUpload() {
        let unpause = state.withLock { state in
            guard !state.upload.ended else { return false }
            state.upload.ended = true
            return resumeSending(&state)
        }
        if unpause { loop.submit(.unpause(self)) }
    }

    /// The server has answered with something that makes the rest pointless. Curl itself stops sending then, but a paused upload
    /// would keep the exchange open for ever.
    func endUploadEarly() {
        typealias Waiters = (unpause: Bool, producer: CheckedContinuation<Void, any Error>?, pump: Task<Void, Never>?)
        let waiters: Waiters = state.withLock { state in
            let (producer, pump) = (state.upload.producer, state.upload.pump)
            state.upload.close()
            return (resumeSending(&state), producer, pump)
        }
        waiters.pump?.cancel()
        waiters.producer?.resume(throwing: CancellationError())
        if waiters.unpause { loop.submit(.unpause(self)) }
    }

    private func resumeSending(_ state: inout State) -> Bool {
        guard state.upload.paused else { return false }
        state.upload.paused = false
        state.lastProgress = ContinuousClock.now
        return true
    }

    /// Curl thread: the next bytes of the body.
    func fill(_ room: UnsafeMutableRawBufferPointer) -> Fill {
        var producer: CheckedContinuation<Void, any Error>?
        let fill: Fill = state.withLock { state in
            // Given up: an orderly end of a chunked body would make the part that was sent look whole.
            if state.end != nil { return .abort }
            state.lastProgress = ContinuousClock.now
            let count = min(room.count, state.upload.pending)
            if count == 0 { return atEnd(&state) }
            if let owed = state.upload.owed {
                guard count <= owed else { return wrongLength(&state) }
                state.upload.owed = owed - count
            }
            state.upload.buffer.withUnsafeBytes {
                room.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[state.upload.offset...].prefix(count)))
            }
            state.upload.offset += count
            if state.upload.pending < Self.highWater / 2 {
                producer = state.upload.producer
                state.upload.producer = nil
            }
            return .gave(count)
        }
        producer?.resume()
        return fill
    }

    private func atEnd(_ state: inout State) -> Fill {
        guard state.upload.ended else {
            state.upload.paused = true
            return .nothingYet
        }
        return state.upload.owed ?? 0 == 0 ? .gave(0) : wrongLength(&state)
    }

    private func wrongLength(_ state: inout State) -> Fill {
        state.refusal = TransportError(.other, "the request body did not have the announced length")
        return .abort
    }
}
