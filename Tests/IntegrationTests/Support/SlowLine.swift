import Glibc
import Synchronization

/// A line to a registry on this host that is slow, stops dead, or damages what passes.
final class SlowLine: Sendable {
    private struct State {
        /// What the registry sends passes at this rate, all connections together; nil is as fast as it goes.
        var bytesPerSecond: Int?
        var isStopped = false
        var damages = false
        var passed = 0
        var free = ContinuousClock.now
    }

    let port: Int
    private let target: Int
    private let listener: Int32
    private let state: Mutex<State>

    init(to port: Int, bytesPerSecond: Int? = nil) throws {
        target = port
        (listener, self.port) = try LoopbackSocket.listen()
        state = Mutex(State(bytesPerSecond: bytesPerSecond))
        startThread { [self] in acceptLoop() }
    }

    var address: String { "127.0.0.1:\(port)" }
    /// Bytes that came from the registry so far.
    var passed: Int { state.withLock(\.passed) }

    /// Nothing passes, nothing is closed: as when a switch dies.
    func stop() { state.withLock { $0.isStopped = true } }
    func resume() { state.withLock { $0.isStopped = false } }
    /// Whether one byte in each large piece of a layer is another one.
    func damage(_ damages: Bool) { state.withLock { $0.damages = damages } }

    func close() {
        resume()
        shutdown(listener, Int32(SHUT_RDWR))
        Glibc.close(listener)
    }

    private func acceptLoop() {
        while true {
            let client = accept(listener, nil, nil)
            guard client >= 0 else { return }
            guard let registry = try? LoopbackSocket.connect(target) else {
                Glibc.close(client)
                continue
            }
            let layer = AsksForLayer()
            startThread {
                UnixSocket.pump(from: client, to: registry) { chunk in
                    let line = String(decoding: chunk.prefix(256), as: UTF8.self)
                    if line.contains(" HTTP/1.1") { layer.value.withLock { $0 = line.contains("/blobs/") } }
                    return true
                }
            }
            startThread { [self] in pumpReplies(from: registry, to: client, layer) }
        }
    }

    /// Whether the latest request of a connection is for a layer.
    private final class AsksForLayer: Sendable {
        let value = Mutex(false)
    }

    private func pumpReplies(from registry: Int32, to client: Int32, _ layer: AsksForLayer) {
        // Small enough that a rate is smooth.
        var buffer = [UInt8](repeating: 0, count: 16_384)
        reading: while true {
            let count = read(registry, &buffer, buffer.count)
            guard count > 0 else { break }
            wait(for: count)
            if count > 8192, layer.value.withLock({ $0 }), state.withLock(\.damages) { buffer[count - 1] ^= 0xFF }
            var sent = 0
            while sent < count {
                let written = buffer[sent..<count].withUnsafeBytes { send(client, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                guard written > 0 else { break reading }
                sent += written
            }
            state.withLock { $0.passed += count }
        }
        shutdown(registry, Int32(SHUT_RDWR))
        shutdown(client, Int32(SHUT_RDWR))
    }

    private func wait(for count: Int) {
        while state.withLock(\.isStopped) { usleep(20_000) }
        let pause = state.withLock { state -> Duration in
            guard let rate = state.bytesPerSecond else { return .zero }
            state.free = max(state.free, ContinuousClock.now) + .microseconds(count * 1_000_000 / rate)
            return state.free - ContinuousClock.now
        }
        if pause > .zero { usleep(UInt32(pause.components.seconds * 1_000_000 + pause.components.attoseconds / 1_000_000_000_000)) }
    }
}

/// Blocking TCP sockets on this host, for threads of a test.
enum LoopbackSocket {
    static func listen() throws -> (descriptor: Int32, port: Int) {
        let descriptor = try make()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        var address = address(0)
        let ready = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && Glibc.listen(descriptor, 64) == 0 && getsockname(descriptor, $0, &size) == 0
            }
        }
        guard ready else { throw UnixSocket.Failed(reason: "cannot listen on the loopback") }
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }

    static func connect(_ port: Int) throws -> Int32 {
        let descriptor = try make()
        let connected = withUnsafePointer(to: address(port)) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard connected else {
            close(descriptor)
            throw UnixSocket.Failed(reason: "cannot connect to port \(port)")
        }
        return descriptor
    }

    private static func make() throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw UnixSocket.Failed(reason: "socket") }
        return descriptor
    }

    private static func address(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
}
