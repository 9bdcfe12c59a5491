/// Reads the first document of a YAML text into nodes: anchors, aliases and `<<` are resolved, a key that stands twice is refused,
/// and the cost is bounded while reading, so that an alias bomb ends at the limit and not in memory.
public enum YAMLDocument {
    /// nil when the document is empty or holds only comments.
    public static func read(_ bytes: [UInt8], limits: YAMLLimits = YAMLLimits()) throws(YAMLError) -> YAMLNode? {
        guard bytes.count <= limits.bytes else {
            throw YAMLError(position: YAMLPosition(line: 1, column: 1), reason: "the file is larger than \(limits.bytes) bytes")
        }
        var builder = YAMLTreeBuilder(events: YAMLEvents(bytes), limits: limits)
        return try builder.document()
    }
}

private struct YAMLTreeBuilder {
    let events: YAMLEvents
    let limits: YAMLLimits
    /// Finished values only: an alias inside its own anchor finds nothing.
    private var anchors: [String: YAMLNode] = [:]
    private var nodes = 0

    init(events: YAMLEvents, limits: YAMLLimits) {
        self.events = events
        self.limits = limits
    }

    mutating func document() throws(YAMLError) -> YAMLNode? {
        _ = try events.next()
        guard case .documentStart = try events.next().kind else { return nil }
        let root = try node(startingWith: try events.next(), depth: 1)
        _ = try events.next()
        // What follows must be the end or another document, else the text is broken after all.
        _ = try events.next()
        return root.isNull ? nil : root
    }

    private mutating func node(startingWith event: YAMLEvent, depth: Int) throws(YAMLError) -> YAMLNode {
        guard depth <= limits.depth else { throw YAMLError(position: event.position, reason: "nested deeper than \(limits.depth) levels") }
        switch event.kind {
        case .alias(let name):
            guard let target = anchors[name] else {
                throw YAMLError(position: event.position, reason: "no anchor &\(name) stands before this")
            }
            try count(target.size, at: event.position)
            return target
        case .scalar(let text, let plain, let anchor):
            return try finish(.scalar(text, plain: plain), size: 1, anchor: anchor, at: event.position)
        case .sequenceStart(let anchor):
            let items = try sequence(depth: depth)
            return try finish(.sequence(items), size: items.reduce(1) { $0 + $1.size }, anchor: anchor, at: event.position)
        case .mappingStart(let anchor):
            let entries = try mapping(depth: depth)
            return try finish(.mapping(entries), size: entries.reduce(1) { $0 + 1 + $1.value.size }, anchor: anchor, at: event.position)
        case .streamStart, .streamEnd, .documentStart, .documentEnd, .sequenceEnd, .mappingEnd:
            throw YAMLError(position: event.position, reason: "a value is expected here")
        }
    }

    private mutating func finish(_ content: YAMLNode.Content, size: Int, anchor: String?, at position: YAMLPosition) throws(YAMLError)
        -> YAMLNode
    {
        try count(1, at: position)
        let node = YAMLNode(content: content, position: position, size: size)
        if let anchor { anchors[anchor] = node }
        return node
    }

    private mutating func count(_ added: Int, at position: YAMLPosition) throws(YAMLError) {
        nodes += added
        guard nodes <= limits.nodes else {
            throw YAMLError(position: position, reason: "more than \(limits.nodes) values, with aliases counted each time they are used")
        }
    }

    private mutating func sequence(depth: Int) throws(YAMLError) -> [YAMLNode] {
        var items: [YAMLNode] = []
        while true {
            let event = try events.next()
            if case .sequenceEnd = event.kind { return items }
            items.append(try node(startingWith: event, depth: depth + 1))
        }
    }

    private mutating func mapping(depth: Int) throws(YAMLError) -> [YAMLNode.Entry] {
        var entries: [YAMLNode.Entry] = []
        var lines: [String: Int] = [:]
        var merges: [YAMLNode] = []
        while true {
            let event = try events.next()
            if case .mappingEnd = event.kind { return Self.merged(merges, into: entries) }
            let keyNode = try node(startingWith: event, depth: depth + 1)
            guard case .scalar(let key, let plain) = keyNode.content else {
                throw YAMLError(position: event.position, reason: "a key must be text, not \(keyNode.kind)")
            }
            if let earlier = lines.updateValue(event.position.line, forKey: key) {
                throw YAMLError(position: event.position, reason: "the key \"\(key)\" stands here a second time (first in line \(earlier))")
            }
            let value = try node(startingWith: try events.next(), depth: depth + 1)
            if key == "<<", plain {
                merges += try Self.mergeSources(value)
            } else {
                entries.append(YAMLNode.Entry(key: key, keyPosition: event.position, value: value))
            }
        }
    }

    private static func mergeSources(_ value: YAMLNode) throws(YAMLError) -> [YAMLNode] {
        let sources = if case .sequence(let items) = value.content { items } else { [value] }
        for source in sources {
            guard case .mapping = source.content else {
                throw YAMLError(position: source.position, reason: "<< takes a mapping or a list of mappings")
            }
        }
        return sources
    }

    /// A mapping's own keys win, then those of the earlier source.
    private static func merged(_ sources: [YAMLNode], into own: [YAMLNode.Entry]) -> [YAMLNode.Entry] {
        guard !sources.isEmpty else { return own }
        var entries = own
        var known = Set(own.map(\.key))
        for entry in sources.flatMap(\.entries) where known.insert(entry.key).inserted { entries.append(entry) }
        return entries
    }
}
