internal import HTTP
internal import Model

/// Turns chunks of bytes into elements, wherever the chunks were split.
protocol ChunkParser: Sendable {
    associatedtype Element: Sendable
    mutating func append(_ chunk: [UInt8]) throws -> [Element]
}

/// A body of the engine with failures as `EngineError`. Dropping it ends the call.
struct EngineBody: Sendable {
    let source: any ByteSource
    let client: EngineClient

    func next() async throws -> [UInt8]? {
        do {
            return try await source.next()
        } catch let error as TransportError {
            throw client.lost(error)
        } catch is ConnectionLost {
            throw client.lost(TransportError(.connectionReset))
        }
    }
}

/// Hands out the elements of a body one by one, reading on only when asked: a slow reader holds the engine back.
actor ChunkReader<Parser: ChunkParser> {
    private let body: EngineBody
    private let explain: @Sendable (any Error) -> any Error
    /// Thrown when the body ends, for streams that should not end.
    private let atEnd: (any Error)?
    private var parser: Parser
    private var ready: ArraySlice<Parser.Element> = []

    init(_ body: EngineBody, parser: Parser, atEnd: (any Error)? = nil, explain: @escaping @Sendable (any Error) -> any Error) {
        self.body = body
        self.parser = parser
        self.atEnd = atEnd
        self.explain = explain
    }

    func next() async throws -> Parser.Element? {
        while ready.isEmpty {
            guard let chunk = try await chunk() else {
                if let atEnd { throw atEnd }
                return nil
            }
            do {
                ready = try parser.append(chunk)[...]
            } catch {
                throw explain(error)
            }
        }
        return ready.popFirst()
    }

    private func chunk() async throws -> [UInt8]? {
        do {
            return try await body.next()
        } catch {
            throw explain(error)
        }
    }

    nonisolated var stream: AsyncThrowingStream<Parser.Element, any Error> {
        AsyncThrowingStream { try await self.next() }
    }
}
