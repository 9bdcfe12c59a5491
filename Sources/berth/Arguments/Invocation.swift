/// A parsed command line.
struct Invocation: Sendable, Equatable {
    enum Outcome: Sendable, Equatable {
        case run(Invocation)
        case help(String)
        case version(String)
    }

    let command: CommandName
    private let operands: [String: [String]]
    private let values: [String: [String]]

    func operand(_ name: String) -> String? { operands[name]?.first }
    /// Every value of an operand that repeats.
    func operands(_ name: String) -> [String] { operands[name] ?? [] }
    func value(_ option: String) -> String? { values[option]?.last }
    func all(_ option: String) -> [String] { values[option] ?? [] }
    func has(_ option: String) -> Bool { values[option] != nil }
    var json: Bool { value("--output") == "json" }

    /// A whole number of at least 1. Throws a usage error for anything else.
    func number(_ option: String) throws -> Int? {
        guard let text = value(option) else { return nil }
        guard let number = Int(text), (1...1_000_000).contains(number) else {
            throw CommandError.usage("\(option) takes a whole number from 1, not '\(text)'", of: command)
        }
        return number
    }

    /// `K=V` values of a repeatable option. Throws a usage error when one has no `=` or no key.
    func pairs(_ option: String) throws -> [(key: String, value: String)] {
        try all(option).map { text in
            let halves = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard halves.count == 2, !halves[0].isEmpty else {
                // The value may be a secret: it is not repeated.
                throw CommandError.usage("\(option) takes KEY=VALUE", of: command)
            }
            return (String(halves[0]), String(halves[1]))
        }
    }

    /// Whether errors are to be printed as JSON, also those of the command line itself.
    static func asksForJSON(_ arguments: [String]) -> Bool {
        arguments.contains("--output=json") || zip(arguments, arguments.dropFirst()).contains { $0 == "--output" && $1 == "json" }
    }

    static func parse(_ arguments: [String]) throws -> Outcome {
        if arguments.first == "--version" { return .version("berth \(BerthVersion.text)") }
        guard let first = arguments.first, !["--help", "-h", "help"].contains(first) else { return .help(Help.overview) }
        if let command = CommandName(rawValue: first) { return try parse(command, Array(arguments.dropFirst())) }
        let group = CommandName.allCases.filter { $0.rawValue.hasPrefix(first + " ") }
        guard !group.isEmpty else { throw CommandError.usage("there is no command '\(first)'") }
        guard arguments.count > 1, !["--help", "-h"].contains(arguments[1]) else {
            if arguments.count > 1 { return .help(Help.group(group)) }
            throw CommandError.usage(
                "'\(first)' needs one of: " + group.map { String($0.rawValue.dropFirst(first.count + 1)) }.joined(separator: ", "))
        }
        guard let command = CommandName(rawValue: "\(first) \(arguments[1])") else {
            throw CommandError.usage("there is no command '\(first) \(arguments[1])'")
        }
        return try parse(command, Array(arguments.dropFirst(2)))
    }

    private static func parse(_ command: CommandName, _ arguments: [String]) throws -> Outcome {
        let syntax = command.syntax
        let options = syntax.options + CommandSyntax.common
        var rest = arguments[...]
        var operands: [String] = []
        var values: [String: [String]] = [:]
        while let word = rest.popFirst() {
            if word == "--" {
                operands += rest
                break
            }
            if word == "--help" || word == "-h" { return .help(Help.command(command)) }
            guard word.hasPrefix("--") else {
                operands.append(word)
                continue
            }
            let (name, value) = try read(word, &rest, options, command)
            values[name, default: []].append(value)
        }
        guard [nil, "json", "text"].contains(values["--output"]?.last) else {
            throw CommandError.usage("--output takes json or text", of: command)
        }
        return .run(Invocation(command: command, operands: try named(operands, syntax, command), values: values))
    }

    private static func read(_ word: String, _ rest: inout ArraySlice<String>, _ options: [CommandSyntax.Option], _ command: CommandName)
        throws
        -> (String, String)
    {
        let halves = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let option = options.first(where: { $0.name == halves[0] }) else {
            throw CommandError.usage("'\(command.rawValue)' has no option \(halves[0])", of: command)
        }
        guard let placeholder = option.value else {
            guard halves.count == 1 else { throw CommandError.usage("\(option.name) takes no value", of: command) }
            return (option.name, "")
        }
        guard let value = halves.count == 2 ? halves[1] : rest.popFirst() else {
            throw CommandError.usage("\(option.name) needs a value: \(option.name) \(placeholder)", of: command)
        }
        return (option.name, value)
    }

    private static func named(_ given: [String], _ syntax: CommandSyntax, _ command: CommandName) throws -> [String: [String]] {
        let needed = syntax.operands.filter(\.required).count
        if given.count < needed {
            throw CommandError.usage("'\(command.rawValue)' needs \(syntax.operands[given.count].name)", of: command)
        }
        let repeats = syntax.operands.last?.repeats == true
        if given.count > syntax.operands.count, !repeats {
            throw CommandError.usage("'\(given[syntax.operands.count])' is one argument too many; quote texts with spaces", of: command)
        }
        var named = Dictionary(uniqueKeysWithValues: zip(syntax.operands.map(\.name), given.map { [$0] }))
        if repeats, let last = syntax.operands.last { named[last.name] = Array(given.dropFirst(syntax.operands.count - 1)) }
        return named
    }
}
