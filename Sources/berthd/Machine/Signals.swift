import Dispatch
import Glibc

/// The signals that end the daemon, as a stream: the first asks for a graceful stop, the second for an immediate one.
final class Signals {
    let received: AsyncStream<Int32>
    // A source that nobody holds is cancelled.
    private let sources: [any DispatchSourceSignal]

    init() {
        let (stream, continuation) = AsyncStream<Int32>.makeStream()
        received = stream
        sources = [SIGTERM, SIGINT].map { number in
            // Ignored by disposition, so that only the source sees it.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: DispatchQueue(label: "berth.signals"))
            source.setEventHandler { @Sendable in continuation.yield(number) }
            source.resume()
            return source
        }
        signal(SIGPIPE, SIG_IGN)
    }
}
