import CMicroHTTPD
import Glibc
import Synchronization

/// Watches over every connection of a server, on one thread of its own: the clients whose exchange waits (a suspended connection is in no
/// event loop, so their hanging up would pass unseen), the deadlines, and the drain when the server stops.
final class ConnectionWatch: Sendable {
    private struct Drain {
        let deadline: Int64
        let continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        var connections: [ObjectIdentifier: ClientConnection] = [:]
        var waiting: [UInt64: Exchange] = [:]
        var nextID: UInt64 = 1
        var drain: Drain?
        var finished = false
    }

    private static let wakeUp: UInt64 = 0

    private let state = Mutex(State())
    private let draining = Atomic<Bool>(false)
    private let cut = Atomic<Bool>(false)
    private let epoll: Int32
    private let wake: Int32
    private let tick: Duration

    /// `tick` is how late a deadline may be noticed.
    init(tick: Duration) {
        self.tick = tick
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        wake = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        precondition(epoll >= 0 && wake >= 0, "no file descriptors left for the connection watch")
        var event = epoll_event()
        event.events = EPOLLIN.rawValue
        event.data.u64 = Self.wakeUp
        epoll_ctl(epoll, EPOLL_CTL_ADD, wake, &event)
        startThread { [self] in run() }
    }

    // MARK: Connections

    func opened(_ connection: ClientConnection) {
        let first = state.withLock { state in
            state.connections[ObjectIdentifier(connection)] = connection
            return state.connections.count == 1
        }
        if first { wakeThread() }
    }

    /// After this the socket's number may belong to somebody else.
    func closed(_ connection: ClientConnection) {
        let last = state.withLock { state in
            state.connections[ObjectIdentifier(connection)] = nil
            return state.connections.isEmpty && state.drain != nil
        }
        if last { wakeThread() }
    }

    /// Responses from now on close their connection.
    var isDraining: Bool { draining.load(ordering: .relaxed) }
    /// Set before the remaining exchanges are cut: one that begins later is cut from the start.
    var isCut: Bool { cut.load(ordering: .sequentiallyConsistent) }

    // MARK: Waiting exchanges

    /// Tells `exchange` once when its client hangs up. Answers the number to `forget`.
    func watch(_ exchange: Exchange, socket: Int32) -> UInt64 {
        let id = state.withLock { state in
            let id = state.nextID
            state.nextID += 1
            state.waiting[id] = exchange
            return id
        }
        var event = epoll_event()
        event.events = EPOLLRDHUP.rawValue | EPOLLONESHOT.rawValue
        event.data.u64 = id
        epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event)
        return id
    }

    func forget(_ id: UInt64, socket: Int32) {
        epoll_ctl(epoll, EPOLL_CTL_DEL, socket, nil)
        state.withLock { _ = $0.waiting.removeValue(forKey: id) }
    }

    // MARK: Stopping

    /// Closes idle connections and returns when none is left, or after `grace`.
    func drain(grace: Duration) async {
        await withCheckedContinuation { continuation in
            draining.store(true, ordering: .relaxed)
            state.withLock { state in
                state.drain = Drain(deadline: monotonicNow() + grace.nanoseconds, continuation: continuation)
            }
            wakeThread()
        }
    }

    /// Cuts every connection; each exchange is given back to its event loop.
    func cutAll() {
        let exchanges = state.withLock { state in
            cut.store(true, ordering: .sequentiallyConsistent)
            for connection in state.connections.values { connection.shutDown() }
            return state.connections.values.compactMap(\.currentExchange)
        }
        for exchange in exchanges { exchange.clientLeft() }
    }

    /// Ends the thread. Only when no connection is left.
    func finish() {
        state.withLock { $0.finished = true }
        wakeThread()
    }

    // MARK: The thread

    private func wakeThread() {
        var one: UInt64 = 1
        write(wake, &one, MemoryLayout<UInt64>.size)
    }

    private func run() {
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        while !state.withLock({ $0.finished }) {
            let count = Int(epoll_wait(epoll, &events, Int32(events.count), timeout()))
            for event in events.prefix(max(0, count)) { handle(event.data.u64) }
            sweep()
        }
        close(epoll)
        close(wake)
    }

    private func timeout() -> Int32 {
        state.withLock { state in
            if state.drain != nil { return 10 }
            return state.connections.isEmpty ? -1 : Int32(max(1, tick.nanoseconds / 1_000_000))
        }
    }

    private func handle(_ id: UInt64) {
        if id == Self.wakeUp {
            var count: UInt64 = 0
            read(wake, &count, MemoryLayout<UInt64>.size)
        } else {
            state.withLock { $0.waiting.removeValue(forKey: id) }?.clientLeft()
        }
    }

    /// Under the lock, so that no socket closes (and its number is given away) between the check and the shutdown.
    private func sweep() {
        let now = monotonicNow()
        let drained = state.withLock { state in
            for connection in state.connections.values where connection.isOverdue(at: now) || (isDraining && connection.isIdle) {
                connection.shutDown()
            }
            guard let drain = state.drain, state.connections.isEmpty || drain.deadline <= now else { return nil as Drain? }
            state.drain = nil
            return drain
        }
        drained?.continuation.resume()
    }
}

/// Runs `body` on a thread of its own: it may block.
func startThread(_ body: @escaping @Sendable () -> Void) {
    let box = Unmanaged.passRetained(ThreadBody(body))
    var thread = pthread_t()
    let status = pthread_create(&thread, nil, threadMain, box.toOpaque())
    precondition(status == 0, "no thread can be started")
    pthread_detach(thread)
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

private func threadMain(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run()
    return nil
}
