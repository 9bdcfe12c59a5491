import CMicroHTTPD
import Glibc
import Synchronization

/// Nanoseconds of the monotonic clock.
func monotonicNow() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

extension Duration {
    var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}

/// One accepted socket from accept to close, with the moment at which it will be shut down unless something happens first.
final class ClientConnection: Sendable {
    let socket: Int32
    /// Without the port; empty for unix sockets.
    let remoteAddress: String

    /// Monotonic nanoseconds; 0 means none. While paused, the negated time that was left.
    private let deadline = Atomic<Int64>(0)
    /// Between requests: such a connection may be closed without asking.
    private let waitingForRequest = Atomic<Bool>(true)
    private let exchange = Mutex<Exchange?>(nil)

    init(socket: Int32, remoteAddress: String) {
        self.socket = socket
        self.remoteAddress = remoteAddress
    }

    // MARK: Deadlines

    func armDeadline(after duration: Duration) { deadline.store(monotonicNow() + duration.nanoseconds, ordering: .relaxed) }
    func disarmDeadline() { deadline.store(0, ordering: .relaxed) }

    /// While we hold the client back ourselves, its time stands still.
    func pauseDeadline() {
        let value = deadline.load(ordering: .relaxed)
        if value > 0 { deadline.store(min(-1, monotonicNow() - value), ordering: .relaxed) }
    }

    func resumeDeadline() {
        let value = deadline.load(ordering: .relaxed)
        if value < 0 { deadline.store(monotonicNow() - value, ordering: .relaxed) }
    }

    func isOverdue(at now: Int64) -> Bool {
        let value = deadline.load(ordering: .relaxed)
        return value > 0 && value <= now
    }

    // MARK: Its exchange

    func begin(_ exchange: Exchange) {
        waitingForRequest.store(false, ordering: .relaxed)
        self.exchange.withLock { $0 = exchange }
    }

    func endExchange() {
        exchange.withLock { $0 = nil }
        waitingForRequest.store(true, ordering: .relaxed)
    }

    var currentExchange: Exchange? { exchange.withLock { $0 } }

    // MARK: Closing

    /// Nothing is in flight and nothing has arrived that waits to be read.
    var isIdle: Bool {
        guard waitingForRequest.load(ordering: .relaxed) else { return false }
        var byte: UInt8 = 0
        return recv(socket, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) <= 0
    }

    /// The event loop notices and closes. The caller makes sure that the socket is still this connection's.
    func shutDown() { shutdown(socket, Int32(SHUT_RDWR)) }
}

/// The peer's numeric address without its port; a v4 address inside v6 is written as v4.
func remoteAddress(of address: UnsafePointer<sockaddr>?) -> String {
    guard let address else { return "" }
    let family = Int32(address.pointee.sa_family)
    guard family == AF_INET || family == AF_INET6 else { return "" }
    let length = family == AF_INET ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
    var text = [CChar](repeating: 0, count: 64)
    guard getnameinfo(address, socklen_t(length), &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0 else { return "" }
    let name = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return name.hasPrefix("::ffff:") && name.contains(".") ? String(name.dropFirst(7)) : name
}
