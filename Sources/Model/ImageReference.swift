/// The parts of an image reference: `[registry/]repository[:tag][@digest]`.
public struct ImageReference: Sendable, Hashable, CustomStringConvertible {
    /// Registry and repository as they were written, without tag and digest.
    public let name: String
    /// A tag, or a digest such as `sha256:…`. Never empty: without a tag the engine would pull every tag there is.
    public let tag: String

    public init(_ text: String) {
        if let at = text.firstIndex(of: "@") {
            self.init(name: Self.split(String(text[..<at])).name, tag: String(text[text.index(after: at)...]))
        } else {
            let (name, tag) = Self.split(text)
            self.init(name: name, tag: tag)
        }
    }

    private init(name: String, tag: String) {
        self.name = name
        self.tag = tag
    }

    /// Whether it names one image for ever.
    public var isPinned: Bool { tag.hasPrefix("sha256:") }

    /// The registry's host, `docker.io` when the name does not begin with one.
    public var registry: String { namesHost ? String(firstComponent) : Self.defaultRegistry }

    /// The repository's path within its registry, as the registry's API wants it.
    public var repository: String {
        if namesHost { return String(name.dropFirst(firstComponent.count + 1)) }
        return name.contains("/") ? name : "library/\(name)"
    }

    /// `name:tag`, or `name@digest`.
    public var description: String { isPinned ? "\(name)@\(tag)" : "\(name):\(tag)" }

    /// The same repository, one image for ever.
    public func pinned(to digest: String) -> ImageReference { ImageReference(name: name, tag: digest) }

    /// The same image at another registry.
    public func at(_ registry: String) -> ImageReference { ImageReference(name: "\(registry)/\(repository)", tag: tag) }

    public static let defaultRegistry = "docker.io"

    private var firstComponent: Substring { name.prefix { $0 != "/" } }

    private var namesHost: Bool {
        let first = firstComponent
        return first.count < name.count && (first.contains(".") || first.contains(":") || first == "localhost")
    }

    private static func split(_ text: String) -> (name: String, tag: String) {
        guard let colon = text.lastIndex(of: ":"), !text[colon...].contains("/") else { return (text, "latest") }
        return (String(text[..<colon]), String(text[text.index(after: colon)...]))
    }
}
