/// How a scalar is read as a number, a switch or text: the rules of the YAML reader that existing templates were written for.
extension YAMLNode {
    /// The text of a scalar however it was written; nil for lists and mappings, empty for null.
    public var text: String? {
        guard case .scalar(let text, _) = content else { return nil }
        return isNull ? "" : text
    }

    /// A whole number written without quotes: `720`, `0x2D0`, `0o17`, `017` (octal), `0b11`, `1_000`; a fraction is cut off.
    /// nil for anything else and outside of `Int`.
    public var int: Int? {
        guard case .scalar(let text, plain: true) = content else { return nil }
        let digits = text.filter { $0 != "_" }
        return Self.wholeNumber(digits) ?? Self.truncatedFraction(digits)
    }

    /// `true` or `false` in the spellings YAML knows, without quotes.
    public var bool: Bool? {
        guard case .scalar(let text, plain: true) = content else { return nil }
        switch text.lowercased() {
        case "true", "yes", "on", "y": return true
        case "false", "no", "off", "n": return false
        default: return nil
        }
    }

    private static func wholeNumber(_ text: String) -> Int? {
        let negative = text.hasPrefix("-")
        let body = negative || text.hasPrefix("+") ? String(text.dropFirst()) : text
        let (digits, radix) = radix(of: body)
        guard let first = digits.first, first != "+", first != "-" else { return nil }
        return Int((negative ? "-" : "") + digits, radix: radix)
    }

    private static func radix(of text: String) -> (digits: String, radix: Int) {
        guard text.count > 1, text.hasPrefix("0") else { return (text, 10) }
        let rest = String(text.dropFirst(2))
        switch text.dropFirst().first {
        case "x", "X": return (rest, 16)
        case "o", "O": return (rest, 8)
        case "b", "B": return (rest, 2)
        default: return (String(text.dropFirst()), 8)
        }
    }

    private static func truncatedFraction(_ text: String) -> Int? {
        guard text.allSatisfy({ $0.isASCII && ($0.isNumber || "+-.eE".contains($0)) }), text.contains(where: \.isNumber),
            let value = Double(text), value.magnitude < 9e15
        else { return nil }
        return Int(value)
    }
}
