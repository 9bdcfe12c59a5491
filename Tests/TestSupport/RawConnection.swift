import Dispatch
import Glibc
public import HTTP

/// A client that sends exactly the bytes it is given, so that a test can be as wrong as it likes. It blocks only its own queue.
public final class RawConnection: @unchecked Sendable {
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    private let queue = DispatchQueue(label: "raw-connection")
    private let descriptor: Int32
    private var buffered: [UInt8] = []
    private var closed = false

    private init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { if !closed { Glibc.close(descriptor) } }

    /// `receiveBuffer` makes the kernel's buffer small, for a reader that shall fall behind soon.
    public static func open(to address: BoundAddress, receiveBuffer: Int32? = nil) async throws -> RawConnection {
        let family = if case .unix = address { AF_UNIX } else { AF_INET }
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(description: "no socket: \(errno)") }
        let connection = RawConnection(descriptor: descriptor)
        if var size = receiveBuffer { setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size)) }
        try await connection.perform { try connection.connect(to: address) }
        return connection
    }

    // MARK: Sending

    public func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    public func send(_ bytes: [UInt8]) async throws { try await perform { try self.sendNow(bytes) } }

    /// Sends as much as the server takes; answers how much that was once it has taken nothing for a while.
    public func sendUntilBlocked(_ bytes: [UInt8], quietMilliseconds: Int32 = 500) async throws -> Int {
        try await perform {
            var sent = 0
            while sent < bytes.count {
                var poll = pollfd(fd: self.descriptor, events: Int16(POLLOUT), revents: 0)
                guard Glibc.poll(&poll, 1, quietMilliseconds) > 0 else { break }
                let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
                let count = bytes[sent...].withUnsafeBytes { Glibc.send(self.descriptor, $0.baseAddress, $0.count, flags) }
                if count < 0, errno == EAGAIN { continue }
                guard count > 0 else { throw Failure(description: "the server does not take more: \(errno)") }
                sent += count
            }
            return sent
        }
    }

    /// Tells the server that nothing more will come; the answer can still be read.
    public func finishSending() async throws { try await perform { _ = shutdown(self.descriptor, Int32(SHUT_WR)) } }

    public func close() async {
        try? await perform {
            guard !self.closed else { return }
            self.closed = true
            Glibc.close(self.descriptor)
        }
    }

    // MARK: Receiving

    /// One response with its whole body. `toHead`: it answers a HEAD request, so no body follows.
    public func response(toHead: Bool = false, within seconds: Double = 60) async throws -> RawResponse {
        try await perform {
            let deadline = Deadline(seconds)
            var response = try RawResponse(head: self.take(through: Array("\r\n\r\n".utf8), deadline))
            guard !toHead, response.status != 204, response.status != 304, response.status >= 200 else { return response }
            if let length = response.headers["Content-Length"].flatMap({ Int($0) }) {
                response.body = try self.take(count: length, deadline)
            } else if response.headers["Transfer-Encoding"] != nil {
                response.body = try self.takeChunks(deadline)
            } else {
                response.body = try self.takeRest(deadline)
            }
            return response
        }
    }

    /// Only the head of a response; its body is left to `text(through:)` or `rest`.
    public func responseHead(within seconds: Double = 60) async throws -> RawResponse {
        try await perform { try RawResponse(head: self.take(through: Array("\r\n\r\n".utf8), Deadline(seconds))) }
    }

    /// A chunked body whose head was read before.
    public func chunkedBody(within seconds: Double = 60) async throws -> [UInt8] {
        try await perform { try self.takeChunks(Deadline(seconds)) }
    }

    /// What arrives up to and including `mark`.
    public func text(through mark: String, within seconds: Double = 60) async throws -> String {
        try await perform { String(decoding: try self.take(through: Array(mark.utf8), Deadline(seconds)), as: UTF8.self) }
    }

    /// `count` bytes.
    public func bytes(_ count: Int, within seconds: Double = 60) async throws -> [UInt8] {
        try await perform { try self.take(count: count, Deadline(seconds)) }
    }

    /// Everything until the server closes. A reset counts as closed.
    public func rest(within seconds: Double = 60) async throws -> [UInt8] { try await perform { try self.takeRest(Deadline(seconds)) } }

    // MARK: On the queue

    private struct Deadline {
        let end: DispatchTime
        init(_ seconds: Double) { end = .now() + seconds }
        var milliseconds: Int32 {
            Int32(clamping: (Int64(end.uptimeNanoseconds) - Int64(DispatchTime.now().uptimeNanoseconds)) / 1_000_000)
        }
    }

    private func perform<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try work() }) }
        }
    }

    private func connect(to address: BoundAddress) throws {
        let status: Int32
        switch address {
        case .unix(let path):
            var socketAddress = sockaddr_un()
            socketAddress.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &socketAddress.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
            status = Self.connect(descriptor, &socketAddress)
        case .tcp(let host, let port):
            var socketAddress = sockaddr_in()
            socketAddress.sin_family = sa_family_t(AF_INET)
            socketAddress.sin_port = in_port_t(UInt16(port).bigEndian)
            inet_pton(AF_INET, host, &socketAddress.sin_addr)
            status = Self.connect(descriptor, &socketAddress)
        }
        guard status == 0 else { throw Failure(description: "cannot connect to \(address): \(errno)") }
    }

    private static func connect<Address>(_ descriptor: Int32, _ address: inout Address) -> Int32 {
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size)) }
        }
    }

    private func sendNow(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress?.advanced(by: sent), $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure(description: "the server does not take more: \(errno)") }
            sent += count
        }
    }

    /// False at the end.
    private func fill(_ deadline: Deadline) throws -> Bool {
        var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard deadline.milliseconds > 0, Glibc.poll(&poll, 1, deadline.milliseconds) > 0 else {
            throw Failure(description: "nothing more arrived in time; so far: \(String(decoding: buffered.prefix(200), as: UTF8.self))")
        }
        var chunk = [UInt8](repeating: 0, count: 65536)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        if count > 0 { buffered.append(contentsOf: chunk[..<count]) }
        return count > 0
    }

    private func take(count: Int, _ deadline: Deadline) throws -> [UInt8] {
        while buffered.count < count {
            guard try fill(deadline) else { throw Failure(description: "closed after \(buffered.count) of \(count) bytes") }
        }
        defer { buffered.removeSubrange(..<count) }
        return Array(buffered[..<count])
    }

    private func take(through mark: [UInt8], _ deadline: Deadline) throws -> [UInt8] {
        var searched = 0
        while true {
            if let end = position(of: mark, from: searched) { return try take(count: end, deadline) }
            searched = max(0, buffered.count - mark.count)
            guard try fill(deadline) else {
                throw Failure(description: "closed before the expected text; got: \(String(decoding: buffered, as: UTF8.self))")
            }
        }
    }

    private func position(of mark: [UInt8], from start: Int) -> Int? {
        guard buffered.count >= mark.count else { return nil }
        for index in start...(buffered.count - mark.count) where buffered[index..<(index + mark.count)].elementsEqual(mark) {
            return index + mark.count
        }
        return nil
    }

    private func takeChunks(_ deadline: Deadline) throws -> [UInt8] {
        var body: [UInt8] = []
        while true {
            let line = String(decoding: try take(through: Array("\r\n".utf8), deadline).dropLast(2), as: UTF8.self)
            guard let size = Int(line, radix: 16) else { throw Failure(description: "no chunk size: \(line)") }
            body += try take(count: size + 2, deadline).dropLast(2)
            if size == 0 { return body }
        }
    }

    private func takeRest(_ deadline: Deadline) throws -> [UInt8] {
        while try fill(deadline) {}
        defer { buffered = [] }
        return buffered
    }
}

/// A response as it stood on the wire.
public struct RawResponse: Sendable {
    public let status: Int
    public let headers: Headers
    public var body: [UInt8] = []
    public var text: String { String(decoding: body, as: UTF8.self) }

    init(head: [UInt8]) throws {
        let lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n")
        guard let first = lines.first, let status = Int(first.split(separator: " ").dropFirst().first ?? "") else {
            throw RawConnection.Failure(description: "no status line")
        }
        self.status = status
        var headers = Headers()
        for line in lines.dropFirst() {
            let halves = line.split(separator: ":", maxSplits: 1)
            headers.add(String(halves[0]), halves.count > 1 ? String(halves[1].drop { $0 == " " }) : "")
        }
        self.headers = headers
    }
}
