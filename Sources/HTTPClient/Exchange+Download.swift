import HTTP

extension Exchange {
    /// The response body between the wire and its reader.
    struct Download {
        var buffer: [UInt8] = []
        /// Curl holds the sender back until the reader has taken what is here.
        var paused = false
        var reader: CheckedContinuation<[UInt8]?, any Error>?
    }

    /// Curl thread. False when the bytes cannot be taken now: curl keeps them and offers them again once unpaused.
    func receive(_ bytes: UnsafeRawBufferPointer) -> Bool {
        typealias Step = (accepted: Bool, reader: CheckedContinuation<[UInt8]?, any Error>?)
        let step: Step = state.withLock { state in
            state.lastProgress = ContinuousClock.now
            if let reader = state.download.reader {
                state.download.reader = nil
                return (true, reader)
            }
            if !state.download.buffer.isEmpty, state.download.buffer.count + bytes.count > Self.highWater {
                state.download.paused = true
                return (false, nil)
            }
            state.download.buffer.append(contentsOf: bytes)
            return (true, nil)
        }
        step.reader?.resume(returning: Array(bytes))
        return step.accepted
    }

    /// What has arrived, or the wait for it. Bytes that came before a failure are handed out before it is thrown.
    func next() async throws -> [UInt8]? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                if let ready = takeOrWait(continuation) { continuation.resume(with: ready) }
            }
        } onCancel: {
            cancel()
        }
    }

    private func takeOrWait(_ continuation: CheckedContinuation<[UInt8]?, any Error>) -> Result<[UInt8]?, any Error>? {
        var unpause = false
        let ready: Result<[UInt8]?, any Error>? = state.withLock { state in
            if !state.download.buffer.isEmpty {
                unpause = state.download.paused
                if unpause { state.lastProgress = ContinuousClock.now }
                state.download.paused = false
                defer { state.download.buffer = [] }
                return .success(state.download.buffer)
            }
            if let end = state.end { return end.map { nil } }
            precondition(state.download.reader == nil, "a body has one reader")
            state.download.reader = continuation
            return nil
        }
        if unpause { loop.submit(.unpause(self)) }
        return ready
    }
}
