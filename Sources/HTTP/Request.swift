public enum Method: String, Sendable, CaseIterable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
    case put = "PUT"
    case patch = "PATCH"
    case delete = "DELETE"
    case options = "OPTIONS"
}

/// A request as a server hands it to its handler. When the client hangs up, the handler's task is cancelled.
public struct Request: Sendable {
    public let method: Method
    /// Percent-decoded path without the query, starting with `/`.
    public let path: String
    public let query: Query
    public let headers: Headers
    public let body: any ByteSource
    /// The peer's address without the port, empty for unix sockets.
    public let remoteAddress: String
    /// Values of the `:name` parts of the matched route.
    public var parameters: [String: String] = [:]

    public init(
        method: Method, path: String, query: Query = Query(), headers: Headers = Headers(), body: any ByteSource = BufferedSource([]),
        remoteAddress: String = ""
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.remoteAddress = remoteAddress
    }
}

/// The decoded query of a request.
public struct Query: Sendable, Hashable {
    private let pairs: [Headers.Field]

    public init() { pairs = [] }
    public init(pairs: [(String, String)]) { self.pairs = pairs.map { Headers.Field($0.0, $0.1) } }

    /// Reads `a=b&c=d`: percent escapes and `+` are decoded; what holds a broken escape stays as it came.
    public init(parsing text: some StringProtocol) {
        // Bytes, not characters: a combining character after a separator does not hide it.
        pairs = text.utf8.split(separator: UInt8(ascii: "&")).map { pair in
            let halves = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false).map { half in
                PercentCoding.decoded(String(decoding: half.map { $0 == UInt8(ascii: "+") ? 0x20 : $0 }, as: UTF8.self))
                    ?? String(decoding: half, as: UTF8.self)
            }
            return Headers.Field(halves[0], halves.count > 1 ? halves[1] : "")
        }
    }

    public subscript(name: String) -> String? { pairs.first { $0.name == name }?.value }
}

public enum PercentCoding {
    /// nil when an escape is broken or the result is not UTF-8.
    public static func decoded(_ text: String) -> String? {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return text }
        var out: [UInt8] = []
        var bytes = text.utf8.makeIterator()
        while let byte = bytes.next() {
            guard byte == UInt8(ascii: "%") else {
                out.append(byte)
                continue
            }
            guard let high = bytes.next().flatMap(hexDigit), let low = bytes.next().flatMap(hexDigit) else { return nil }
            out.append(high << 4 | low)
        }
        return String(validating: out, as: UTF8.self)
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }

    /// Escapes everything but unreserved characters and those in `keeping`.
    public static func encoded(_ text: String, keeping: String = "") -> String {
        let unreserved = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".utf8).union(keeping.utf8)
        let digits = Array("0123456789ABCDEF".utf8)
        var out: [UInt8] = []
        for byte in text.utf8 {
            if unreserved.contains(byte) {
                out.append(byte)
            } else {
                out.append(contentsOf: [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]])
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}
