import Model

/// Reads typed values from the environment. A value that cannot be used falls back to the default and is reported by name:
/// a typo in a unit file must not pass in silence.
struct EnvironmentReader {
    let values: [String: String]
    private(set) var problems: [String] = []

    init(_ values: [String: String]) { self.values = values }

    /// The trimmed value; nil when unset or blank.
    func text(_ name: EnvironmentName) -> String? {
        let trimmed = values[name.rawValue]?.trimmed ?? ""
        return trimmed.isEmpty ? nil : trimmed
    }

    mutating func number(_ name: EnvironmentName, default fallback: Int, in range: ClosedRange<Int>) -> Int {
        guard let text = text(name) else { return fallback }
        guard let value = Int(text), range.contains(value) else {
            problems.append(
                "\(name.rawValue)=\(text) is not a whole number from \(range.lowerBound) to \(range.upperBound); using \(fallback)")
            return fallback
        }
        return value
    }

    mutating func level(_ name: EnvironmentName) -> LogLevel {
        guard let text = text(name) else { return .info }
        if let level = LogLevel(rawValue: text.lowercased()) { return level }
        problems.append("\(name.rawValue)=\(text) is none of debug, info, warning, error; using info")
        return .info
    }

    /// One of the words of `Choice`.
    mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(_ name: EnvironmentName, default fallback: Choice) -> Choice {
        guard let text = text(name) else { return fallback }
        if let choice = Choice(rawValue: text.lowercased()) { return choice }
        let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
        problems.append("\(name.rawValue)=\(text) is none of \(words); using \(fallback.rawValue)")
        return fallback
    }

    /// A JSON object. Its text is never repeated: it may hold passwords.
    mutating func object(_ name: EnvironmentName) -> JSONValue? {
        guard let text = text(name) else { return nil }
        if let value = try? JSONValue(parsing: text), value.object != nil { return value }
        problems.append("\(name.rawValue) is not a JSON object; using none")
        return nil
    }

    /// A JSON object of strings.
    mutating func strings(_ name: EnvironmentName) -> [String: String] {
        guard let text = text(name) else { return [:] }
        guard let object = (try? JSONValue(parsing: text))?.object, object.members.allSatisfy({ $0.value.string?.isEmpty == false }) else {
            problems.append("\(name.rawValue) is not a JSON object of names and texts, such as {\"echo\": \"my/echo:1\"}; using none")
            return [:]
        }
        return Dictionary(object.members.map { ($0.key, $0.value.string ?? "") }) { $1 }
    }

    mutating func seconds(_ name: EnvironmentName, default fallback: Int) -> Duration {
        .seconds(number(name, default: fallback, in: 1...86_400))
    }

    mutating func numbers(_ name: EnvironmentName, default fallback: [Int], in range: ClosedRange<Int>) -> [Int] {
        guard let text = text(name) else { return fallback }
        let values = text.split(separator: ",").map { Int(String($0).trimmed) }
        guard values.allSatisfy({ $0.map(range.contains) ?? false }) else {
            problems.append(
                "\(name.rawValue)=\(text) is not a list of numbers from \(range.lowerBound) to \(range.upperBound); using \(fallback)")
            return fallback
        }
        return values.compactMap { $0 }
    }
}

extension String {
    var trimmed: String {
        let space: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\n" || $0 == "\r" }
        return String(drop(while: space).reversed().drop(while: space).reversed())
    }
}
