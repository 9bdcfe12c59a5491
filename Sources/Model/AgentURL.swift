/// The address of an agent: an absolute `http` or `https` URL in one canonical spelling.
///
/// What two programs could read differently is refused here rather than interpreted: user names, escapes or non-ASCII in the host,
/// names that end in a dot or in a number that is no IPv4 address, control characters and backslashes anywhere.
public struct AgentURL: Sendable, Hashable, CustomStringConvertible {
    public enum Scheme: String, Sendable { case http, https }

    public let scheme: Scheme
    /// A lower-case name, or a literal in its canonical spelling without brackets.
    public let host: String
    /// The literal address, when the host is one in any spelling.
    public let address: IPAddress?
    public let port: Int
    /// Path and query as written, starting with `/`; fragments are dropped.
    public let pathAndQuery: String

    public init?(parsing text: String) {
        guard text.utf8.count <= 2048, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") }) else { return nil }
        guard let colon = text.firstIndex(of: ":"), let scheme = Scheme(rawValue: text[..<colon].lowercased()) else { return nil }
        let afterScheme = text[text.index(after: colon)...]
        guard afterScheme.hasPrefix("//") else { return nil }
        let rest = afterScheme.dropFirst(2)
        let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        guard let (hostText, portText) = Self.splitAuthority(rest[..<end]), let host = Self.host(hostText) else { return nil }
        guard let port = Self.port(portText, scheme) else { return nil }
        self.scheme = scheme
        self.host = host.text
        address = host.address
        self.port = port
        let tail = rest[end...].prefix { $0 != "#" }
        pathAndQuery = tail.hasPrefix("/") ? String(tail) : "/" + tail
    }

    public var description: String {
        let bracketed = host.contains(":") ? "[\(host)]" : host
        return "\(scheme.rawValue)://\(bracketed):\(port)\(pathAndQuery)"
    }

    private static func splitAuthority(_ authority: Substring) -> (host: Substring, port: Substring?)? {
        guard !authority.contains("@") else { return nil }
        if authority.hasPrefix("[") {
            guard let close = authority.firstIndex(of: "]") else { return nil }
            let rest = authority[authority.index(after: close)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { return nil }
            return (authority[...close], rest.isEmpty ? nil : rest.dropFirst())
        }
        let parts = authority.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        return (parts[0], parts.count > 1 ? parts[1] : nil)
    }

    private static func port(_ text: Substring?, _ scheme: Scheme) -> Int? {
        guard let text, !text.isEmpty else { return scheme == .http ? 80 : 443 }
        guard text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let port = Int(text), (1...65_535).contains(port) else { return nil }
        return port
    }

    private static func host(_ text: Substring) -> (text: String, address: IPAddress?)? {
        if text.hasPrefix("[") {
            let inside = String(text.dropFirst().dropLast())
            guard inside.contains(":"), let address = IPAddress(parsing: inside) else { return nil }
            return (address.description, address)
        }
        let name = text.lowercased()
        if let address = IPAddress(parsing: name) { return (address.description, address) }
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        guard name.utf8.count <= 253, labels.allSatisfy(isLabel), let last = labels.last, !endsLikeANumber(last) else { return nil }
        return (name, nil)
    }

    private static func isLabel(_ label: Substring) -> Bool {
        (1...63).contains(label.utf8.count)
            && label.utf8.allSatisfy {
                (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
            }
    }

    /// A host whose last label is numeric is an address to some readers and a name to others.
    private static func endsLikeANumber(_ label: Substring) -> Bool {
        label.allSatisfy(\.isNumber) || (label.hasPrefix("0x") && label.dropFirst(2).allSatisfy(\.isHexDigit))
    }
}
