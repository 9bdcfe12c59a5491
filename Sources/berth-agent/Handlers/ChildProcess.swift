import Glibc
import Synchronization

/// One run of a command. A thread of its own feeds and reads the pipes, so that a slow command holds up nothing else.
enum ChildProcess {
    enum Ending: Sendable, Equatable {
        /// The exit code, and the last 2 KiB of standard error.
        case exited(Int, errors: [UInt8])
        case signalled(Int, errors: [UInt8])
        case timedOut
        case tooMuchOutput
        case notStarted(String)
    }

    enum Event: Sendable, Equatable {
        case output([UInt8])
        case ended(Ending)
    }

    /// Starts `arguments` in a process group of its own. The stream gives standard output as it comes and ends with `.ended`; when its
    /// reader goes away, the whole group is killed.
    static func run(_ arguments: [String], input: [UInt8], timeout: Duration, longestOutput: Int) -> AsyncStream<Event> {
        AsyncStream { continuation in
            let cancelled = CancelFlag()
            continuation.onTermination = { _ in cancelled.set() }
            Thread.start {
                Thread.blockBrokenPipeSignal()
                let ending: Ending
                do throws(SpawnError) {
                    var pump = ChildPump(child: try SpawnedChild(arguments), input: input, longestOutput: longestOutput)
                    ending = pump.run(until: .now + timeout, cancelled: cancelled) { continuation.yield(.output($0)) }
                } catch {
                    ending = .notStarted(error.reason)
                }
                continuation.yield(.ended(ending))
                continuation.finish()
            }
        }
    }
}

/// Set once, by the reader of a stream that goes away.
final class CancelFlag: Sendable {
    private let flag = Atomic(false)

    func set() { flag.store(true, ordering: .relaxed) }
    var isSet: Bool { flag.load(ordering: .relaxed) }
}

/// A thread outside of every pool, for calls that block.
enum Thread {
    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Writing to a command that does not read becomes an error of `write` on this thread, and not the end of the process.
    static func blockBrokenPipeSignal() {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    static func start(_ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(Body(body)).toOpaque()
        let created = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context)
        precondition(created == 0, "no thread could be started")
        pthread_detach(thread)
    }
}
