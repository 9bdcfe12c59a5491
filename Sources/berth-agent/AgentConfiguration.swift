import Templates

/// What `config.yaml` says to the agent. A value that cannot be used is replaced by its default and reported: an agent that answers
/// with a note in its log is worth more than one that does not start.
struct AgentConfiguration: Sendable, Equatable {
    struct Command: Sendable, Equatable {
        let arguments: [String]
        let timeoutSeconds: Int
    }

    var name = "Echo"
    var description = ""
    var version = "1.0.0"
    var skills: [String] = []
    /// nil echoes.
    var command: Command?
    var heartbeatIntervalSeconds = 30
    var port = 8000
    /// Sentences about values that were not used.
    var warnings: [String] = []

    static let heartbeatLimits = 5...300
    static let longestCommandSeconds = 24 * 3600

    init() {}

    /// Reads the bytes of a `config.yaml`; nil stands for a file that is not there.
    init(reading bytes: [UInt8]?) {
        guard let bytes else {
            warnings.append("there is no config.yaml: every value is its default")
            return
        }
        do throws(YAMLError) {
            guard let root = try YAMLDocument.read(bytes) else { return }
            read(root)
        } catch {
            warnings.append("config.yaml:\(error.position.line):\(error.position.column): \(error.reason): every value is its default")
        }
    }

    private mutating func read(_ root: YAMLNode) {
        if let text = text(root, "name") { name = text }
        if let text = text(root, "description") { description = text }
        if let text = text(root, "version") { version = text }
        skills = texts(root["skills"], "skills")
        port = int(root["a2a"]?["port"], "a2a.port", in: 1...65535) ?? port
        let interval = int(
            root["observability"]?["heartbeat_interval_seconds"], "observability.heartbeat_interval_seconds", in: Int.min...Int.max)
        heartbeatIntervalSeconds = min(max(interval ?? 30, Self.heartbeatLimits.lowerBound), Self.heartbeatLimits.upperBound)
        guard let handler = root["handler"], !handler.isNull else { return }
        let arguments = texts(handler["command"], "handler.command")
        guard let program = arguments.first, !program.isEmpty else {
            warnings.append("handler.command names no command: messages are echoed")
            return
        }
        let timeout = int(handler["timeout_seconds"], "handler.timeout_seconds", in: 1...Self.longestCommandSeconds)
        command = Command(arguments: arguments, timeoutSeconds: timeout ?? 600)
    }

    private mutating func text(_ root: YAMLNode, _ key: String) -> String? {
        guard let node = root[key], !node.isNull else { return nil }
        guard let text = node.text else {
            warn(node, "\(key) must be text")
            return nil
        }
        return text.isEmpty ? nil : text
    }

    private mutating func texts(_ node: YAMLNode?, _ key: String) -> [String] {
        guard let node, !node.isNull else { return [] }
        guard case .sequence(let items) = node.content else {
            warn(node, "\(key) must be a list")
            return []
        }
        return items.compactMap(\.text)
    }

    private mutating func int(_ node: YAMLNode?, _ key: String, in range: ClosedRange<Int>) -> Int? {
        guard let node, !node.isNull else { return nil }
        guard let value = node.int, range.contains(value) else {
            warn(
                node,
                "\(key) must be a whole number\(range.lowerBound == Int.min ? "" : " from \(range.lowerBound) to \(range.upperBound)")")
            return nil
        }
        return value
    }

    private mutating func warn(_ node: YAMLNode, _ reason: String) {
        warnings.append("config.yaml:\(node.position.line):\(node.position.column): \(reason)")
    }
}
