/// The parts of an image reference that a pull needs.
struct ImageReference: Sendable, Hashable {
    /// Everything before the tag or digest.
    let name: String
    /// A tag, or a digest such as `sha256:…`. Never empty: without a tag the engine would pull every tag there is.
    let tag: String

    init(_ text: String) {
        if let at = text.firstIndex(of: "@") {
            name = Self.split(String(text[..<at])).name
            tag = String(text[text.index(after: at)...])
        } else {
            (name, tag) = Self.split(text)
        }
    }

    /// The registry's host, `docker.io` when the name does not begin with one.
    var registry: String {
        let first = name.prefix { $0 != "/" }
        let isHost = first.count < name.count && (first.contains(".") || first.contains(":") || first == "localhost")
        return isHost ? String(first) : "docker.io"
    }

    private static func split(_ text: String) -> (name: String, tag: String) {
        guard let colon = text.lastIndex(of: ":"), !text[colon...].contains("/") else { return (text, "latest") }
        return (String(text[..<colon]), String(text[text.index(after: colon)...]))
    }
}
