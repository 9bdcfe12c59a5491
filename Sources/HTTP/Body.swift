/// Bytes that arrive over time. One reader; `next` returns nil at the end and throws when the sender went away.
/// Not calling `next` holds the sender back.
public protocol ByteSource: AnyObject, Sendable {
    func next() async throws -> [UInt8]?
}

/// Bytes that leave over time. `write` waits while the receiver is behind, and throws when it went away.
public protocol ByteSink: AnyObject, Sendable {
    func write(_ bytes: [UInt8]) async throws
}

/// The body is larger than the reader allows.
public struct BodyTooLarge: Error, Sendable, Equatable {
    public let limit: Int
    public init(limit: Int) { self.limit = limit }
}

/// The peer went away, or the exchange was cut.
public struct ConnectionLost: Error, Sendable, Equatable {
    public init() {}
}

extension ByteSource {
    /// Everything up to the end. Throws `BodyTooLarge` as soon as `limit` bytes are exceeded.
    public func collect(limit: Int) async throws -> [UInt8] {
        var collected: [UInt8] = []
        while let chunk = try await next() {
            guard collected.count + chunk.count <= limit else { throw BodyTooLarge(limit: limit) }
            collected.append(contentsOf: chunk)
        }
        return collected
    }
}

/// Bytes that are there already, as a source.
public actor BufferedSource: ByteSource {
    private var chunks: ArraySlice<[UInt8]>

    public init(_ chunks: [[UInt8]]) { self.chunks = chunks[...] }

    public func next() async throws -> [UInt8]? { chunks.popFirst() }
}
