internal import Glibc
public import HTTP
public import Model
internal import Synchronization

/// A real unix socket that speaks scripted HTTP: engines of other versions, engines that break off, engines that say nothing.
/// Every connection has a thread; a connection serves one request after the other.
public final class StubEngineSocket: Sendable {
    public struct Call: Sendable, Hashable {
        public let method: String
        /// Without the query.
        public let path: String
        public let query: Query
        public let headers: Headers
        public let body: [UInt8]
    }

    public struct Reply: Sendable {
        public enum Step: Sendable {
            case bytes([UInt8])
            /// The one place where real time is the thing under test.
            case pause(milliseconds: Int)
            /// Says nothing more until the client hangs up.
            case silence
            /// Closes the connection in the middle of the body.
            case cut
        }

        public var status: Int
        public var headers: Headers
        public var steps: [Step]

        public init(_ status: Int, headers: Headers = Headers(), steps: [Step] = []) {
            self.status = status
            self.headers = headers
            self.steps = steps
        }

        public init(_ status: Int, headers: Headers = Headers(), json: JSONValue) {
            self.init(status, headers: headers, steps: [.bytes(json.bytes)])
            self.headers["Content-Type"] = "application/json"
        }

        /// Not even a status line: silence from the start.
        public static let nothing = Reply(0, steps: [.silence])

        public static func text(_ status: Int, headers: Headers = Headers(), _ text: String) -> Reply {
            Reply(status, headers: headers, steps: [.bytes(Array(text.utf8))])
        }
    }

    /// Where it listens. Gone after `stop`.
    public let path: String
    private let directory: String
    private let listener: Int32
    private let answer: @Sendable (Call) -> Reply
    private let state = Mutex(State())

    private struct State {
        var calls: [Call] = []
        var connections: Set<Int32> = []
        var hangUps = 0
        var stopped = false
    }

    public init(answer: @escaping @Sendable (Call) -> Reply) throws {
        var template = Array("/tmp/berth-stub-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw StubSocketError(step: "mkdtemp", number: errno) }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        path = directory + "/engine.sock"
        listener = try Self.listen(at: path)
        self.answer = answer
        BlockingThread.run { [self] in acceptConnections() }
    }

    /// What was asked so far, in order.
    public var calls: [Call] { state.withLock { $0.calls } }
    /// How often a client hung up while the stub was silent.
    public var hangUps: Int { state.withLock { $0.hangUps } }

    /// Closes everything at once, as an engine that dies.
    public func stop() {
        let first = state.withLock { state in
            defer { state.stopped = true }
            for connection in state.connections { shutdown(connection, Int32(SHUT_RDWR)) }
            return !state.stopped
        }
        guard first else { return }
        shutdown(listener, Int32(SHUT_RDWR))
        unlink(path)
        rmdir(directory)
    }

    private func acceptConnections() {
        while true {
            let connection = accept(listener, nil, nil)
            guard connection >= 0 else { break }
            let open = state.withLock { state in
                if !state.stopped { state.connections.insert(connection) }
                return !state.stopped
            }
            guard open else {
                close(connection)
                break
            }
            BlockingThread.run { [self] in serve(connection) }
        }
        close(listener)
    }

    private func serve(_ connection: Int32) {
        var reader = StubRequestReader(connection)
        while let call = reader.next() {
            state.withLock { $0.calls.append(call) }
            guard send(answer(call), to: call, on: connection) else { break }
        }
        state.withLock { _ = $0.connections.remove(connection) }
        // Said aloud: a process that another test has just started may hold a copy of the descriptor.
        shutdown(connection, Int32(SHUT_RDWR))
        close(connection)
    }

    /// false when the connection is to be closed.
    private func send(_ reply: Reply, to call: Call, on connection: Int32) -> Bool {
        guard reply.status != Reply.nothing.status else {
            waitForHangUp(connection)
            return false
        }
        let bodiless = call.method == "HEAD" || reply.status == 204 || reply.status == 304
        var head = "HTTP/1.1 \(reply.status) Stub\r\n"
        for field in reply.headers.fields { head += "\(field.name): \(field.value)\r\n" }
        head += bodiless ? "\r\n" : "Transfer-Encoding: chunked\r\n\r\n"
        guard write(Array(head.utf8), to: connection) else { return false }
        for step in bodiless ? [] : reply.steps {
            switch step {
            case .bytes(let bytes):
                let size = Array("\(String(bytes.count, radix: 16))\r\n".utf8)
                guard bytes.isEmpty || write(size + bytes + Array("\r\n".utf8), to: connection) else { return false }
            case .pause(let milliseconds): usleep(UInt32(milliseconds) * 1000)
            case .silence:
                waitForHangUp(connection)
                return false
            case .cut: return false
            }
        }
        return bodiless || write(Array("0\r\n\r\n".utf8), to: connection)
    }

    private func waitForHangUp(_ connection: Int32) {
        var watched = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
        while poll(&watched, 1, -1) < 0 && errno == EINTR {}
        state.withLock { state in
            if !state.stopped { state.hangUps += 1 }
        }
    }

    private func write(_ bytes: [UInt8], to connection: Int32) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    private static func listen(at path: String) throws -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        guard descriptor >= 0, bound == 0, Glibc.listen(descriptor, 64) == 0 else { throw StubSocketError(step: "listen", number: errno) }
        return descriptor
    }
}

public struct StubSocketError: Error, Sendable {
    public let step: String
    public let number: Int32
}
