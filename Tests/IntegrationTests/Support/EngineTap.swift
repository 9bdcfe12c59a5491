import Glibc
import Synchronization

/// A unix socket in front of the real engine's. It forwards everything, and calls back at one chosen call: before the engine has seen it, or
/// after the engine has answered but before the caller has: the reply that is lost in a crash.
final class EngineTap: Sendable {
    enum Moment: String, Sendable, CaseIterable { case before, after }

    /// A call by method and a part of its path.
    struct Call: Sendable, CustomStringConvertible {
        let method: String
        let pathPart: String
        /// Which of the matching calls, from 1.
        let occurrence: Int

        var description: String { "\(method) \(pathPart) #\(occurrence)" }
    }

    private struct Trap {
        let call: Call
        let moment: Moment
        let action: @Sendable () -> Void
        var seen = 0
    }

    let socketPath: String
    private let enginePath: String
    private let listener: Int32
    private let trap: Mutex<Trap?> = Mutex(nil)

    init(socketPath: String, enginePath: String) throws {
        self.socketPath = socketPath
        self.enginePath = enginePath
        listener = try UnixSocket.listen(socketPath)
        startThread { [self] in acceptLoop() }
    }

    /// Arms the tap once.
    func arm(_ call: Call, _ moment: Moment, action: @escaping @Sendable () -> Void) {
        trap.withLock { $0 = Trap(call: call, moment: moment, action: action) }
    }

    var isArmed: Bool { trap.withLock { $0 != nil } }

    func close() {
        shutdown(listener, Int32(SHUT_RDWR))
        Glibc.close(listener)
        unlink(socketPath)
    }

    private func acceptLoop() {
        while true {
            let client = accept(listener, nil, nil)
            guard client >= 0 else { return }
            guard let engine = try? UnixSocket.connect(enginePath) else {
                Glibc.close(client)
                continue
            }
            let exchange = Exchange()
            startThread { [self] in pumpRequests(from: client, to: engine, exchange) }
            startThread { [self] in pumpReplies(from: engine, to: client, exchange) }
        }
    }

    /// What one connection waits for: the action to run at the next reply.
    private final class Exchange: Sendable {
        let onReply: Mutex<(@Sendable () -> Void)?> = Mutex(nil)
    }

    private func pumpRequests(from client: Int32, to engine: Int32, _ exchange: Exchange) {
        UnixSocket.pump(from: client, to: engine) { [self] chunk in
            guard let sprung = springTrap(chunk) else { return true }
            switch sprung.moment {
            case .before:
                sprung.action()
                return false
            case .after:
                exchange.onReply.withLock { $0 = sprung.action }
                return true
            }
        }
    }

    private func pumpReplies(from engine: Int32, to client: Int32, _ exchange: Exchange) {
        UnixSocket.pump(from: engine, to: client) { _ in
            guard let action = exchange.onReply.withLock({ $0 }) else { return true }
            action()
            return false
        }
    }

    private func springTrap(_ chunk: ArraySlice<UInt8>) -> Trap? {
        let head = String(decoding: chunk.prefix(1024), as: UTF8.self)
        guard let line = head.split(separator: "\r\n").first, line.contains(" HTTP/1.1") else { return nil }
        return trap.withLock { trap in
            guard var armed = trap, line.hasPrefix(armed.call.method + " "), line.contains(armed.call.pathPart) else { return nil }
            armed.seen += 1
            trap = armed.seen == armed.call.occurrence ? nil : armed
            return armed.seen == armed.call.occurrence ? armed : nil
        }
    }
}

/// Blocking unix sockets for threads of a test.
enum UnixSocket {
    struct Failed: Error { let reason: String }

    static func listen(_ path: String) throws -> Int32 {
        unlink(path)
        let descriptor = try make()
        guard try withAddress(path, { bind(descriptor, $0, $1) }) == 0, Glibc.listen(descriptor, 64) == 0 else {
            throw Failed(reason: "listen \(path): \(String(cString: strerror(errno)))")
        }
        return descriptor
    }

    static func connect(_ path: String) throws -> Int32 {
        let descriptor = try make()
        guard try withAddress(path, { Glibc.connect(descriptor, $0, $1) }) == 0 else {
            close(descriptor)
            throw Failed(reason: "connect \(path): \(String(cString: strerror(errno)))")
        }
        return descriptor
    }

    private static func make() throws -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failed(reason: "socket") }
        return descriptor
    }

    private static func withAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) throws -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { throw Failed(reason: "path too long: \(path)") }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
    }

    /// Copies until either side ends or `inspect` says no; then cuts both.
    static func pump(from source: Int32, to target: Int32, inspect: (ArraySlice<UInt8>) -> Bool) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        reading: while true {
            let count = read(source, &buffer, buffer.count)
            guard count > 0, inspect(buffer[..<count]) else { break }
            var sent = 0
            while sent < count {
                let written = buffer[sent..<count].withUnsafeBytes { send(target, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                guard written > 0 else { break reading }
                sent += written
            }
        }
        shutdown(source, Int32(SHUT_RDWR))
        shutdown(target, Int32(SHUT_RDWR))
    }
}

/// Runs `body` on a thread of its own: blocking calls must not stand on Swift's pool.
func startThread(_ body: @escaping @Sendable () -> Void) {
    let boxed = Unmanaged.passRetained(ThreadBody(body))
    var thread = pthread_t()
    pthread_create(&thread, nil, runThreadBody, boxed.toOpaque())
    pthread_detach(thread)
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

private let runThreadBody: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { pointer in
    if let pointer { Unmanaged<ThreadBody>.fromOpaque(pointer).takeRetainedValue().run() }
    return nil
}
