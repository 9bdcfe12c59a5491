import CMicroHTTPD
import Glibc
public import HTTP
import Synchronization

/// An HTTP/1.1 server on libmicrohttpd: a pool of threads with one epoll loop each. Handlers are async functions; while one waits, no
/// thread does. It runs until `stop`, also when nobody keeps it. A client that closes its sending half counts as hung up.
public final class MicroHTTPServer: HTTPListening {
    private enum Lifecycle {
        case running
        case stopping([CheckedContinuation<Void, Never>])
        case stopped
    }

    private struct Daemon: @unchecked Sendable { let pointer: OpaquePointer }

    public var address: BoundAddress { socket.address }

    private let socket: ListeningSocket
    private let daemon: Daemon
    private let service: Unmanaged<ExchangeService>
    private let watch: ConnectionWatch
    private let lifecycle = Mutex(Lifecycle.running)

    private init(socket: ListeningSocket, daemon: Daemon, service: Unmanaged<ExchangeService>, watch: ConnectionWatch) {
        self.socket = socket
        self.daemon = daemon
        self.service = service
        self.watch = watch
    }

    /// Listens on `address` (port 0: any free port; a unix path gets mode 0600, and a socket file nobody answers on is replaced) and calls
    /// `handler` for every request whose framing is sound. `handler` begins on an event loop's thread: it must not block.
    public static func start(
        on address: BoundAddress, limits: ListenerLimits = ListenerLimits(), threads: Int = 2, handler: @escaping HTTPHandler
    ) throws(ListenError) -> MicroHTTPServer {
        let socket = try ListeningSocket.open(address)
        let watch = ConnectionWatch(tick: tick(for: limits))
        let service = Unmanaged.passRetained(ExchangeService(handler: handler, limits: limits, watch: watch))
        var options = cmhd_options()
        options.listen_socket = socket.descriptor
        options.threads = UInt32(clamping: max(1, threads))
        options.connections = UInt32(clamping: max(threads, limits.connections))
        options.connections_per_address = UInt32(limits.connectionsPerAddress)
        // The request's head, its index and the response's head. The library clears all of it for every request, so no more than that.
        options.memory_per_connection = limits.headerBytes + 8 * 1024
        options.idle_seconds = UInt32(clamping: max(1, limits.keepAlive.components.seconds + 1))
        options.access = requestAdvanced
        options.target = requestBegan
        options.completed = requestCompleted
        options.connection = connectionChanged
        options.context = service.toOpaque()
        guard let daemon = cmhd_start(&options) else {
            service.release()
            watch.finish()
            close(socket.descriptor)
            socket.removeFile()
            throw ListenError(reason: .other, address: address, detail: "the event loops could not be started")
        }
        return MicroHTTPServer(socket: socket, daemon: Daemon(pointer: daemon), service: service, watch: watch)
    }

    /// How late a deadline may be noticed: a fifth of a second, less when the limits are shorter than tests need.
    private static func tick(for limits: ListenerLimits) -> Duration {
        max(.milliseconds(10), min(.milliseconds(200), min(limits.requestDeadline, limits.keepAlive) / 4))
    }

    /// Stops accepting, closes idle connections, lets requests in flight finish for at most `grace`, then cuts what is left (its handlers
    /// are cancelled). Returns when the last connection is closed; a second call waits for the first.
    public func stop(grace: Duration) async {
        guard await beginStopping() else { return }
        MHD_quiesce_daemon(daemon.pointer)
        close(socket.descriptor)
        socket.removeFile()
        await watch.drain(grace: grace)
        watch.cutAll()
        // Joins the event loops' threads: not on the cooperative pool.
        await withCheckedContinuation { continuation in
            startThread { [daemon] in
                MHD_stop_daemon(daemon.pointer)
                continuation.resume()
            }
        }
        watch.finish()
        service.release()
        endStopping()
    }

    /// False when another call has stopped, or has finished stopping, the server.
    private func beginStopping() async -> Bool {
        let first = lifecycle.withLock { lifecycle in
            guard case .running = lifecycle else { return false }
            lifecycle = .stopping([])
            return true
        }
        if !first {
            await withCheckedContinuation { continuation in
                let done = lifecycle.withLock { lifecycle in
                    guard case .stopping(let waiting) = lifecycle else { return true }
                    lifecycle = .stopping(waiting + [continuation])
                    return false
                }
                if done { continuation.resume() }
            }
        }
        return first
    }

    private func endStopping() {
        let waiting = lifecycle.withLock { lifecycle -> [CheckedContinuation<Void, Never>] in
            defer { lifecycle = .stopped }
            if case .stopping(let waiting) = lifecycle { return waiting }
            return []
        }
        for continuation in waiting { continuation.resume() }
    }
}
