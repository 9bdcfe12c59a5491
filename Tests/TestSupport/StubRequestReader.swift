internal import Glibc
internal import HTTP

/// Reads requests off a connection, for `StubEngineSocket`: heads, and bodies by Content-Length or in chunks.
struct StubRequestReader {
    private let connection: Int32
    private var buffer: [UInt8] = []

    init(_ connection: Int32) { self.connection = connection }

    /// nil when the client is done, or gone.
    mutating func next() -> StubEngineSocket.Call? {
        guard let requestLine = line() else { return nil }
        let words = requestLine.split(separator: " ").map(String.init)
        guard words.count == 3 else { return nil }
        var headers = Headers()
        while let field = line(), !field.isEmpty {
            let halves = field.split(separator: ":", maxSplits: 1).map(String.init)
            headers.add(halves[0], halves.count > 1 ? String(halves[1].drop { $0 == " " }) : "")
        }
        guard let body = body(headers) else { return nil }
        let target = words[1].split(separator: "?", maxSplits: 1).map(String.init)
        return StubEngineSocket.Call(
            method: words[0], path: PercentCoding.decoded(target[0]) ?? target[0], query: Query(parsing: target.count > 1 ? target[1] : ""),
            headers: headers, body: body)
    }

    private mutating func body(_ headers: Headers) -> [UInt8]? {
        guard headers["Transfer-Encoding"] == "chunked" else { return bytes(headers["Content-Length"].flatMap { Int($0) } ?? 0) }
        var body: [UInt8] = []
        while let size = line().flatMap({ Int($0, radix: 16) }) {
            guard let chunk = bytes(size), line() != nil else { return nil }
            if size == 0 { return body }
            body += chunk
        }
        return nil
    }

    private mutating func line() -> String? {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: buffer[..<end].filter { $0 != UInt8(ascii: "\r") }, as: UTF8.self)
                buffer.removeFirst(end + 1)
                return line
            }
            guard fill() else { return nil }
        }
    }

    private mutating func bytes(_ count: Int) -> [UInt8]? {
        while buffer.count < count {
            guard fill() else { return nil }
        }
        defer { buffer.removeFirst(count) }
        return Array(buffer.prefix(count))
    }

    private mutating func fill() -> Bool {
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(connection, &chunk, chunk.count, 0)
        guard count > 0 else { return false }
        buffer.append(contentsOf: chunk.prefix(count))
        return true
    }
}
