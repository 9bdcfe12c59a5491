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

    /// Whether an engine would take it: components in lower case, a tag of word characters, a digest of hexadecimal digits. What does not
    /// fit is refused before it becomes part of an engine's or a registry's path.
    public static func isWellFormed(_ text: String) -> Bool {
        guard text.utf8.count <= 255 else { return false }
        let reference = ImageReference(text)
        let halves = text.split(separator: "@", omittingEmptySubsequences: false)
        guard halves.count <= 2, halves.count == 1 || isDigest(reference.tag) else { return false }
        if reference.tag.isEmpty || !isDigest(reference.tag) && !isTag(reference.tag) { return false }
        var components = reference.name.split(separator: "/", omittingEmptySubsequences: false)
        if reference.namesHost { components.removeFirst() }
        return !components.isEmpty && components.allSatisfy(isComponent) && (!reference.namesHost || isHost(reference.firstComponent))
    }

    /// The one kind of digest that registries and engines use.
    public static func isDigest(_ text: String) -> Bool {
        text.hasPrefix("sha256:") && text.utf8.count == 71 && text.dropFirst(7).allSatisfy(\.isHexDigit)
    }

    private static func isTag(_ text: String) -> Bool {
        text.utf8.count <= 128 && text.first != "." && text.first != "-"
            && text.utf8.allSatisfy { isLower($0) || (65...90).contains($0) || [45, 46, 95].contains($0) }
    }

    private static func isHost(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, first == 91 || isLower(first | 32) else { return false }
        return text.utf8.allSatisfy { isLower($0) || (65...90).contains($0) || [45, 46, 58, 91, 93].contains($0) } && !text.contains("..")
    }

    /// Words of lower-case letters and digits, joined by a dot, one or two underscores, or dashes.
    private static func isComponent(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, let last = text.utf8.last, isLower(first), isLower(last) else { return false }
        return text.utf8.allSatisfy { isLower($0) || [45, 46, 95].contains($0) } && !text.contains("..") && !text.contains("___")
    }

    private static func isLower(_ byte: UInt8) -> Bool { (97...122).contains(byte) || (48...57).contains(byte) }

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
