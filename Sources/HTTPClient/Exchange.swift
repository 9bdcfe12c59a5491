import Glibc
import HTTP
import Synchronization

/// One request and its response: the meeting point of the caller's tasks and the curl thread. Continuations are always resumed
/// outside the lock.
final class Exchange: Sendable {
    struct Directions: OptionSet, Sendable {
        let rawValue: Int
        static let receive = Directions(rawValue: 1)
        static let send = Directions(rawValue: 2)
    }

    struct State {
        var reader = ResponseHeadReader()
        var head: ResponseHead?
        var headWaiter: CheckedContinuation<ResponseHead, any Error>?
        var download = Download()
        var upload = Upload()
        /// How it ended, once it has.
        var end: Result<Void, any Error>?
        /// Why we stopped curl, when curl's own code would not say.
        var refusal: TransportError?
        var timesSent = 0
        var lastProgress: ContinuousClock.Instant
    }

    /// Bytes buffered per direction before the sender is held back.
    static let highWater = 256 * 1024
    static let closed = TransportError(.cancelled, "the client is closed")

    let request: OutgoingRequest
    let pinned: [UInt8]?
    let loop: CurlLoop
    let started = ContinuousClock.now
    let state: Mutex<State>

    /// Throws when the request can never be sent.
    init(_ request: OutgoingRequest, loop: CurlLoop) throws {
        try Self.check(request)
        self.request = request
        self.loop = loop
        pinned = try request.pinnedAddress.map { text in
            guard let bytes = IPAddress.bytes(of: text) else { throw TransportError(.addressNotAllowed, "\(text) is not an address") }
            return bytes
        }
        state = Mutex(State(lastProgress: ContinuousClock.now))
    }

    var isFinished: Bool { state.withLock { $0.end != nil } }

    var pausedDirections: Directions {
        state.withLock { state in
            var directions: Directions = []
            if state.download.paused { directions.insert(.receive) }
            if state.upload.paused { directions.insert(.send) }
            return directions
        }
    }

    /// Waits for the response head.
    func head() async throws -> ResponseHead {
        try await withCheckedThrowingContinuation { continuation in
            let ready: Result<ResponseHead, any Error>? = state.withLock { state in
                if let head = state.head { return .success(head) }
                if case .failure(let error) = state.end { return .failure(error) }
                state.headWaiter = continuation
                return nil
            }
            if let ready { continuation.resume(with: ready) }
        }
    }

    /// Curl thread. False stops the exchange.
    func receiveHeaderLine(_ line: UnsafeRawBufferPointer) -> Bool {
        var waiter: CheckedContinuation<ResponseHead, any Error>?
        var arrived: ResponseHead?
        let accepted = state.withLock { state in
            state.lastProgress = ContinuousClock.now
            switch state.reader.read(line) {
            case .more: return true
            case .tooLarge:
                state.refusal = TransportError(.other, "the response head is larger than \(ResponseHeadReader.limit) bytes")
                return false
            case .complete(let head):
                state.head = head
                arrived = head
                waiter = state.headWaiter
                state.headWaiter = nil
                return true
            }
        }
        if let arrived {
            if arrived.status >= 300 { endUploadEarly() }
            waiter?.resume(returning: arrived)
        }
        return accepted
    }

    /// The caller no longer wants it. Nothing happens when it has ended.
    func cancel() {
        guard finish(throwing: CancellationError(), keepingBuffer: false) else { return }
        loop.submit(.abandon(self))
    }

    /// Ends the exchange and tells everyone who waits. The first end counts; returns whether this was it.
    @discardableResult
    func finish(throwing cause: (any Error)?, keepingBuffer: Bool = true) -> Bool {
        let waiters: Waiters? = state.withLock { state in
            guard state.end == nil else { return nil }
            // curl takes a connection that is closed within the head for the end of an empty response.
            let error =
                cause ?? (state.head == nil ? TransportError(.connectionReset, "closed before the response head was complete") : nil)
            state.end = error.map { .failure($0) } ?? .success(())
            if !keepingBuffer { state.download.buffer = [] }
            defer {
                state.headWaiter = nil
                state.download.reader = nil
                state.upload.close()
            }
            return Waiters(
                error: error, head: state.headWaiter, reader: state.download.reader, producer: state.upload.producer,
                pump: state.upload.pump)
        }
        waiters?.tell()
        return waiters != nil
    }

    /// Everyone who may be waiting when an exchange ends.
    private struct Waiters {
        let error: (any Error)?
        let head: CheckedContinuation<ResponseHead, any Error>?
        let reader: CheckedContinuation<[UInt8]?, any Error>?
        let producer: CheckedContinuation<Void, any Error>?
        let pump: Task<Void, Never>?

        func tell() {
            pump?.cancel()
            head?.resume(throwing: error ?? ConnectionLost())
            producer?.resume(throwing: error ?? ConnectionLost())
            if let error { reader?.resume(throwing: error) } else { reader?.resume(returning: nil) }
        }
    }

    /// Curl thread: before a socket is opened.
    func mayConnect(to address: [UInt8]) -> Bool {
        guard let pinned, pinned != address else { return true }
        refuse(TransportError(.addressNotAllowed, "the connection would have gone to another address than the one allowed"))
        return false
    }

    /// Curl thread: before the request goes out, on new connections and on kept ones.
    ///
    /// When a kept connection dies unanswered, curl sends the request again, and the first copy may have been carried out: only
    /// requests without a body whose method may be repeated are let through a second time.
    func maySend(to peer: String) -> Bool {
        if request.pinnedAddress != nil, let address = IPAddress.bytes(of: peer), !mayConnect(to: address) { return false }
        let times = state.withLock { state in
            state.timesSent += 1
            return state.timesSent
        }
        if times == 1 || mayRepeat { return true }
        refuse(TransportError(.connectionReset, "the kept connection was closed before an answer; the request was not sent again"))
        return false
    }

    private var mayRepeat: Bool {
        guard case .none = request.body else { return false }
        switch request.method {
        case .get, .head, .put, .delete, .options: return true
        case .post, .patch: return false
        }
    }

    func refuse(_ error: TransportError) { state.withLock { $0.refusal = $0.refusal ?? error } }

    /// Neither curl nor the wire would report these clearly.
    private static func check(_ request: OutgoingRequest) throws {
        let scheme = request.url.prefix(8).lowercased()
        guard scheme.hasPrefix("http://") || scheme.hasPrefix("https://"), !request.url.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F })
        else {
            throw TransportError(.invalidURL, "not an absolute http or https URL")
        }
        if let path = request.unixSocket, path.utf8.count > 107 {
            throw TransportError(.invalidURL, "the socket's path is longer than the 107 bytes the system allows")
        }
        for field in request.headers.fields {
            let broken = (field.name + field.value).utf8.contains { $0 == 0 || $0 == 0x0A || $0 == 0x0D }
            if broken || field.name.isEmpty { throw TransportError(.other, "the header \(field.name.debugDescription) cannot be sent") }
        }
    }
}

/// Addresses in binary, so that two spellings of one address compare equal.
enum IPAddress {
    static func bytes(of text: String) -> [UInt8]? {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 { return withUnsafeBytes(of: four) { Array($0) } }
        var six = in6_addr()
        if inet_pton(AF_INET6, text, &six) == 1 { return withUnsafeBytes(of: six) { Array($0) } }
        return nil
    }
}
