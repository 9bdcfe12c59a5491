import Dispatch
import Glibc
import Synchronization

/// A server that speaks raw bytes: each connection runs a script with blocking calls on a thread of its own. For testing clients
/// against peers that pause, lie, or hang up.
public final class ScriptedServer: Sendable {
    public typealias Script = @Sendable (ScriptedConnection) -> Void

    public enum Endpoint: Sendable, Hashable {
        case unix(path: String)
        case loopback(port: Int)
    }

    public let endpoint: Endpoint
    /// What the scripts report with `note`; a test awaits facts here.
    public let notes = Notes()
    private let listener: Int32
    private let directory: String?
    private let connections = Mutex<Int>(0)

    /// Listens on 127.0.0.1 at a free port, or on a unix socket in a directory of its own.
    public init(unix: Bool = false, script: @escaping Script) {
        if unix {
            let directory = Self.makeDirectory()
            self.directory = directory
            listener = Self.listenUnix(directory + "/socket")
            endpoint = .unix(path: directory + "/socket")
        } else {
            directory = nil
            let (descriptor, port) = Self.listenLoopback()
            listener = descriptor
            endpoint = .loopback(port: port)
        }
        accept(script)
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        if let directory {
            unlink(directory + "/socket")
            rmdir(directory)
        }
    }

    /// Connections accepted so far.
    public var connectionCount: Int { connections.withLock { $0 } }

    /// `http://127.0.0.1:<port>` followed by `path`; for a unix socket the host is `localhost`.
    public func url(_ path: String = "/") -> String {
        switch endpoint {
        case .unix: "http://localhost\(path)"
        case .loopback(let port): "http://127.0.0.1:\(port)\(path)"
        }
    }

    public var socketPath: String? { if case .unix(let path) = endpoint { path } else { nil } }
    public var port: Int { if case .loopback(let port) = endpoint { port } else { 0 } }

    private func accept(_ script: @escaping Script) {
        let listener = listener
        let notes = notes
        // The thread owns the listening descriptor and keeps no reference to the server, so that letting go of it ends the thread.
        let count: @Sendable () -> Int? = { [weak self] in
            self?.connections.withLock { count in
                count += 1
                return count
            }
        }
        DispatchQueue(label: "scripted-server").async {
            while true {
                let descriptor = Glibc.accept(listener, nil, nil)
                guard descriptor >= 0 else { break }
                guard let number = count() else {
                    Glibc.close(descriptor)
                    break
                }
                let connection = ScriptedConnection(descriptor: descriptor, number: number, notes: notes)
                DispatchQueue(label: "scripted-connection").async {
                    script(connection)
                    connection.close()
                }
            }
            Glibc.close(listener)
        }
    }

    private static func makeDirectory() -> String {
        var template = Array("/tmp/berth-test-XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil, "no temporary directory")
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func listenUnix(_ path: String) -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        precondition(bound == 0 && listen(descriptor, 128) == 0, "cannot listen on \(path)")
        return descriptor
    }

    private static func listenLoopback() -> (Int32, Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let ready = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && listen(descriptor, 128) == 0 && getsockname(descriptor, $0, &size) == 0
            }
        }
        precondition(ready, "cannot listen on loopback")
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }
}

/// One accepted connection, used by its script's thread. Every call blocks.
public final class ScriptedConnection: Sendable {
    /// 1 for the server's first connection.
    public let number: Int
    private let descriptor: Int32
    private let notes: Notes
    private let rest = Mutex<[UInt8]>([])
    private let closed = Mutex(false)

    init(descriptor: Int32, number: Int, notes: Notes) {
        self.descriptor = descriptor
        self.number = number
        self.notes = notes
    }

    public func note(_ text: String) { notes.add(text) }

    /// A request's line and headers including the empty line; nil when the client closed instead.
    public func readHead() -> String? {
        while true {
            let head: String? = rest.withLock { rest in
                guard let end = rest.indices.first(where: { rest[$0...].starts(with: [13, 10, 13, 10]) }) else { return nil }
                defer { rest.removeFirst(end + 4) }
                return String(decoding: rest[..<(end + 4)], as: UTF8.self)
            }
            if let head { return head }
            guard let more = readFromSocket(16 * 1024) else { return nil }
            rest.withLock { $0 += more }
        }
    }

    /// The next bytes, at most `limit`; nil once the client has closed.
    public func read(_ limit: Int = 64 * 1024) -> [UInt8]? {
        let early: [UInt8] = rest.withLock { rest in
            defer { rest.removeFirst(min(limit, rest.count)) }
            return Array(rest.prefix(limit))
        }
        return early.isEmpty ? readFromSocket(limit) : early
    }

    /// Exactly `count` bytes; nil when the client closed before.
    public func read(exactly count: Int) -> [UInt8]? {
        var collected: [UInt8] = []
        while collected.count < count {
            guard let more = read(count - collected.count) else { return nil }
            collected += more
        }
        return collected
    }

    /// False when the client is gone.
    @discardableResult
    public func write(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    @discardableResult
    public func write(_ text: String) -> Bool { write(Array(text.utf8)) }

    /// A complete response with Content-Length.
    public func respond(_ status: Int = 200, headers: [String] = [], _ body: String = "") {
        let lines = ["HTTP/1.1 \(status) Status", "Content-Length: \(body.utf8.count)"] + headers
        write(lines.joined(separator: "\r\n") + "\r\n\r\n" + body)
    }

    /// Sends `total` bytes in pieces until they are out or the client has taken nothing for `patience` milliseconds. Returns how many went out.
    public func write(total: Int, patience: Int32) -> Int {
        let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 16 * 1024)
        var sent = 0
        while sent < total, isReady(POLLOUT, within: patience) {
            let count = piece.withUnsafeBytes {
                send(descriptor, $0.baseAddress, min($0.count, total - sent), Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            }
            guard count > 0 else { break }
            sent += count
        }
        return sent
    }

    /// True when the client neither sends nor closes for `milliseconds`.
    public func isSilent(for milliseconds: Int32) -> Bool { !isReady(POLLIN, within: milliseconds) }

    private func isReady(_ event: Int32, within milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(event), revents: 0)
        return poll(&entry, 1, milliseconds) == 1
    }

    /// Blocks until the client has closed, dropping what it still sends.
    public func waitForClose() { while read() != nil {} }

    /// Ends the connection in both directions. Later calls do nothing.
    public func close() {
        let first = closed.withLock { closed in
            defer { closed = true }
            return !closed
        }
        guard first else { return }
        shutdown(descriptor, Int32(SHUT_RDWR))
        Glibc.close(descriptor)
    }

    private func readFromSocket(_ limit: Int) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = recv(descriptor, &buffer, limit, 0)
        return count > 0 ? Array(buffer[..<count]) : nil
    }
}

/// Facts that scripts report and tests wait for. A cancelled wait returns at once, so that a test's time limit ends it.
public final class Notes: Sendable {
    private struct Waiter {
        let id: Int
        let isMet: @Sendable ([String]) -> Bool
        let continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        var seen: [String] = []
        var waiters: [Waiter] = []
        var nextID = 0
        var cancelled: Set<Int> = []
    }

    private let state = Mutex(State())

    public init() {}

    public var all: [String] { state.withLock { $0.seen } }

    public func add(_ text: String) {
        let ready = state.withLock { state in
            state.seen.append(text)
            let ready = state.waiters.filter { $0.isMet(state.seen) }
            state.waiters.removeAll { $0.isMet(state.seen) }
            return ready
        }
        for waiter in ready { waiter.continuation.resume() }
    }

    /// Returns once `text` has been noted, now or before.
    public func wait(for text: String) async { await wait { $0.contains(text) } }

    /// Returns once there are `count` notes.
    public func wait(forCount count: Int) async { await wait { $0.count >= count } }

    private func wait(until isMet: @escaping @Sendable ([String]) -> Bool) async {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let over = state.withLock { state in
                    if state.cancelled.contains(id) || isMet(state.seen) { return true }
                    state.waiters.append(Waiter(id: id, isMet: isMet, continuation: continuation))
                    return false
                }
                if over { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.cancelled.insert(id)
                let index = state.waiters.firstIndex { $0.id == id }
                return index.map { state.waiters.remove(at: $0) }
            }
            waiter?.continuation.resume()
        }
    }
}

/// Holds a script until the test lets it go on.
public final class Gate: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)

    public init() {}

    public func open() { semaphore.signal() }
    /// Blocks the calling thread; for scripts only.
    public func waitUntilOpen() { semaphore.wait() }
}
