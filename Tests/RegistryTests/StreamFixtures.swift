import HTTP
import Synchronization
import TestSupport

/// Always has another event, and counts what was taken.
final class CountingSource: ByteSource {
    private let count = Mutex(0)

    var taken: Int { count.withLock { $0 } }

    func next() async throws -> [UInt8]? {
        try Task.checkCancellation()
        count.withLock { $0 += 1 }
        return Array("data: x\n\n".utf8)
    }
}

/// Each write waits until the test lets it go.
final class HeldSink: ByteSink {
    let notes = Notes()
    private let state = Mutex<(writes: Int, waiting: CheckedContinuation<Void, Never>?)>((0, nil))

    func write(_ bytes: [UInt8]) async throws {
        await withCheckedContinuation { continuation in
            let number = state.withLock { state in
                state.writes += 1
                state.waiting = continuation
                return state.writes
            }
            notes.add("writing \(number)")
        }
    }

    func release() {
        let waiting = state.withLock { state in
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume()
    }
}

/// Answers every request with an event stream from `source`.
struct FixedTransport: HTTPTransport {
    let source: any ByteSource

    func send(_ request: OutgoingRequest) async throws -> IncomingResponse {
        IncomingResponse(status: 200, headers: ["Content-Type": "text/event-stream"], body: source)
    }
}
