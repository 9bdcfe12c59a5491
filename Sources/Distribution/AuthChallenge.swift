/// What a registry wants before it answers: one challenge of `WWW-Authenticate` (RFC 9110, 11.6.1).
struct AuthChallenge: Hashable {
    /// In lower case: `bearer`, `basic`.
    let scheme: String
    /// By lower-case name.
    let parameters: [String: String]

    var realm: String? { parameters["realm"] }
    /// Why a token was not enough, for example `insufficient_scope`.
    var error: String? { parameters["error"] }

    /// Every challenge of the header's values; what cannot be read is left out.
    static func all(in values: [String]) -> [AuthChallenge] {
        values.flatMap { value in
            var parser = Parser(value)
            return parser.challenges()
        }
    }

    private struct Parser {
        private var rest: Substring

        init(_ text: String) { rest = text[...] }

        mutating func challenges() -> [AuthChallenge] {
            var found: [AuthChallenge] = []
            skip(" ,\t")
            while let scheme = token() {
                skip(" \t")
                var parameters: [String: String] = [:]
                // A word without `=` begins the next challenge.
                while let (name, value) = parameter() {
                    parameters[name] = value
                    skip(" ,\t")
                }
                found.append(AuthChallenge(scheme: scheme.lowercased(), parameters: parameters))
                // Other schemes have more than parameters: what is left of theirs is stepped over.
                skip(" ,\t=")
            }
            return found
        }

        private mutating func parameter() -> (String, String)? {
            let before = rest
            guard let name = token() else { return nil }
            skip(" \t")
            guard rest.first == "=" else {
                rest = before
                return nil
            }
            rest.removeFirst()
            skip(" \t")
            guard let value = rest.first == "\"" ? quoted() : token() else { return nil }
            return (name.lowercased(), value)
        }

        private mutating func token() -> String? {
            let word = rest.prefix { !$0.isWhitespace && !"=,\"".contains($0) }
            guard !word.isEmpty else { return nil }
            rest = rest[word.endIndex...]
            return String(word)
        }

        private mutating func quoted() -> String? {
            rest.removeFirst()
            var value = ""
            while let character = rest.popFirst() {
                switch character {
                case "\"": return value
                case "\\": if let escaped = rest.popFirst() { value.append(escaped) }
                default: value.append(character)
                }
            }
            return nil
        }

        private mutating func skip(_ characters: String) { rest = rest.drop { characters.contains($0) } }
    }
}
