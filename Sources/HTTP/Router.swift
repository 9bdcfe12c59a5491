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
        entries.append(Entry(method: method, segments: Self.segments(pattern), pattern: pattern, handler: handler))
    }

    /// Every route in the order they were added.
    public var routes: [(method: Method, pattern: String, handler: Handler)] { entries.map { ($0.method, $0.pattern, $0.handler) } }

    /// HEAD finds the GET route. One slash at the end is ignored; an empty segment elsewhere fits nothing.
    public func match(_ method: Method, _ path: String) -> Match {
        let segments = Self.segments(path)
        let wanted = method == .head ? .get : method
        let candidates = entries.filter { Self.fits($0.segments, segments) }
        var best: Entry?
        for candidate in candidates where candidate.method == wanted {
            if let current = best, !Self.isMoreSpecific(candidate.segments, than: current.segments) { continue }
            best = candidate
        }
        if let best {
            var parameters: [String: String] = [:]
            for (part, value) in zip(best.segments, segments) where part.hasPrefix(":") {
                parameters[String(part.dropFirst())] = String(value)
            }
            return .found(best.handler, parameters: parameters, pattern: best.pattern)
        }
        return candidates.isEmpty ? .notFound : .methodNotAllowed(candidates.map(\.method))
    }

    private static func segments(_ path: String) -> [Substring] {
        var parts = Substring(path).utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { Substring($0) }
        if parts.first == "" { parts.removeFirst() }
        if parts.last == "" { parts.removeLast() }
        return parts
    }

    private static func fits(_ pattern: [Substring], _ path: [Substring]) -> Bool {
        pattern.count == path.count && zip(pattern, path).allSatisfy { $0.hasPrefix(":") ? !$1.isEmpty : $0 == $1 }
    }

    /// The first place where one has a literal and the other a parameter decides.
    private static func isMoreSpecific(_ one: [Substring], than other: [Substring]) -> Bool {
        for (a, b) in zip(one, other) where a.hasPrefix(":") != b.hasPrefix(":") { return b.hasPrefix(":") }
        return false
    }
}
