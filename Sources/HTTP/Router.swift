/// Finds the handler of a request. Patterns are literal segments and `:name` parameters; a literal wins over a parameter.
public struct Router<Handler: Sendable>: Sendable {
    public enum Match: Sendable {
        case found(Handler, parameters: [String: String], pattern: String)
        /// The path exists, with other methods.
        case methodNotAllowed([Method])
        case notFound
    }

    private struct Entry: Sendable {
        let method: Method
        let segments: [Substring]
        let pattern: String
        let handler: Handler
    }

    private var entries: [Entry] = []

    public init() {}

    public mutating func add(_ method: Method, _ pattern: String, _ handler: Handler) {
        entries.append(Entry(method: method, segments: Substring(pattern).split(separator: "/"), pattern: pattern, handler: handler))
    }

    /// Every route in the order they were added.
    public var routes: [(method: Method, pattern: String, handler: Handler)] { entries.map { ($0.method, $0.pattern, $0.handler) } }

    /// HEAD finds the GET route.
    public func match(_ method: Method, _ path: String) -> Match {
        let segments = Substring(path).split(separator: "/")
        let wanted = method == .head ? .get : method
        let candidates = entries.filter { Self.fits($0.segments, segments) }
        let best = candidates.filter { $0.method == wanted }.max { Self.literals($0.segments) < Self.literals($1.segments) }
        if let best {
            var parameters: [String: String] = [:]
            for (part, value) in zip(best.segments, segments) where part.hasPrefix(":") {
                parameters[String(part.dropFirst())] = String(value)
            }
            return .found(best.handler, parameters: parameters, pattern: best.pattern)
        }
        return candidates.isEmpty ? .notFound : .methodNotAllowed(candidates.map(\.method))
    }

    private static func fits(_ pattern: [Substring], _ path: [Substring]) -> Bool {
        pattern.count == path.count && zip(pattern, path).allSatisfy { $0.hasPrefix(":") || $0 == $1 }
    }

    private static func literals(_ segments: [Substring]) -> Int { segments.count { !$0.hasPrefix(":") } }
}
