import Dispatch
import Glibc

/// Turns SIGTERM and SIGINT into a value to wait for. Make one before anything else: a signal that arrives earlier is lost.
/// Unchecked: the sources are only kept alive here, nothing calls them again.
final class Termination: @unchecked Sendable {
    private let sources: [any DispatchSourceSignal]
    private let signals: AsyncStream<Int32>

    init() {
        let (signals, continuation) = AsyncStream.makeStream(of: Int32.self)
        self.signals = signals
        sources = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { continuation.yield(number) }
            source.activate()
            return source
        }
        // Nobody may be reading the log any more.
        signal(SIGPIPE, SIG_IGN)
    }

    /// Returns when the process is asked to end, or when the task is cancelled.
    func wait() async {
        for await _ in signals { return }
    }
}
