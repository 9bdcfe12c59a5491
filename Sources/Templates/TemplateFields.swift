import Model

/// Takes typed values out of one file's nodes and remembers what was wrong with them, so that an author sees every problem at once.
struct TemplateFields {
    /// Relative to the templates directory.
    let file: String
    private(set) var problems: [TemplateProblem] = []

    init(file: String) { self.file = file }

    mutating func report(_ severity: TemplateProblem.Severity, at position: YAMLPosition, key: String, _ message: String) {
        problems.append(
            TemplateProblem(severity, file: file, line: position.line, column: position.column, key: key, message: message))
    }

    /// nil when the key is absent, null or wrong.
    mutating func string(_ node: YAMLNode?, _ key: String) -> String? {
        guard let node, !node.isNull else { return nil }
        guard let text = node.text else {
            report(.error, at: node.position, key: key, "\(key) must be text, not \(node.kind)")
            return nil
        }
        return text
    }

    /// nil when the key is absent, null or wrong.
    mutating func int(_ node: YAMLNode?, _ key: String, severity: TemplateProblem.Severity = .error) -> Int? {
        guard let node, !node.isNull else { return nil }
        guard let value = node.int else {
            report(severity, at: node.position, key: key, "\(key) must be a whole number, not \(node.kind)")
            return nil
        }
        return value
    }

    mutating func int(_ node: YAMLNode?, _ key: String, in range: ClosedRange<Int>) -> Int? {
        guard let node, let value = int(node, key) else { return nil }
        guard range.contains(value) else {
            report(.error, at: node.position, key: key, "\(key) must be between \(range.lowerBound) and \(range.upperBound), not \(value)")
            return nil
        }
        return value
    }

    /// Empty when the key is absent, null or wrong.
    mutating func strings(_ node: YAMLNode?, _ key: String) -> [String] {
        items(node, key).enumerated().compactMap { string($0.element, "\(key)[\($0.offset)]") }
    }

    mutating func items(_ node: YAMLNode?, _ key: String) -> [YAMLNode] {
        guard let node, !node.isNull else { return [] }
        guard case .sequence(let items) = node.content else {
            report(.error, at: node.position, key: key, "\(key) must be a list, not \(node.kind)")
            return []
        }
        return items
    }

    /// The node when it is a mapping; nil when the key is absent, null or wrong.
    mutating func mapping(_ node: YAMLNode?, _ key: String) -> YAMLNode? {
        guard let node, !node.isNull else { return nil }
        guard case .mapping = node.content else {
            report(.error, at: node.position, key: key, "\(key) must be a mapping, not \(node.kind)")
            return nil
        }
        return node
    }
}
