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

/// Gives what the test feeds it, and notes how often it was asked.
final class SteppedSource: ByteSource {
    let notes = Notes()
    private let chunks: AsyncStream<[UInt8]>
    private let feeder: AsyncStream<[UInt8]>.Continuation
    private let asked = Mutex(0)

    init() { (chunks, feeder) = AsyncStream.makeStream() }

    func feed(_ text: String) { feeder.yield(Array(text.utf8)) }
    func end() { feeder.finish() }

    func next() async throws -> [UInt8]? {
        let number = asked.withLock { count in
            count += 1
            return count
        }
        notes.add("asked \(number)")
        for await chunk in chunks { return chunk }
        try Task.checkCancellation()
        return nil
    }
}

/// Answers every request with a body from `source`.
struct FixedTransport: HTTPTransport {
    var type = "text/event-stream"
    let source: any ByteSource

    func send(_ request: OutgoingRequest) async throws -> IncomingResponse {
        IncomingResponse(status: 200, headers: ["Content-Type": type], body: source)
    }
}
