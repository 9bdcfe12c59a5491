import Testing

@testable import berth

@Suite("The command line's arguments")
struct ArgumentTests {
    private func invocation(_ words: String...) throws -> Invocation {
        guard case .run(let invocation) = try Invocation.parse(words) else { throw CommandError.usage("no invocation") }
        return invocation
    }

    private func message(_ words: [String]) -> String? {
        do {
            _ = try Invocation.parse(words)
            return nil
        } catch {
            return (error as? CommandError)?.exitCode == .usage ? (error as? CommandError)?.message : nil
        }
    }

    @Test("options take their value after a space or an equals sign, and repeat")
    func options() throws {
        let invocation = try invocation(
            "workspaces", "create", "scout", "--template", "echo", "--secret", "A=1", "--secret=B=2=3", "--tier=1", "--no-wait")
        #expect(invocation.command == .workspacesCreate)
        #expect(invocation.operand("NAME") == "scout")
        #expect(invocation.value("--template") == "echo")
        #expect(try invocation.pairs("--secret").map(\.key) == ["A", "B"])
        #expect(try invocation.pairs("--secret").map(\.value) == ["1", "2=3"])
        #expect(try invocation.number("--tier") == 1)
        #expect(invocation.has("--no-wait"))
        #expect(!invocation.json)
    }

    @Test("an operand that repeats takes any number of words, none too")
    func repeatingOperand() throws {
        #expect(try invocation("orphans", "adopt", "a", "--dry-run", "b", "c").operands("ORPHAN") == ["a", "b", "c"])
        #expect(try invocation("orphans", "adopt", "--all").operands("ORPHAN") == [])
    }

    @Test("after -- everything is an operand")
    func endOfOptions() throws {
        let invocation = try invocation("workspaces", "send", "scout", "--", "--help")
        #expect(invocation.operand("TEXT") == "--help")
    }

    @Test(
        "what cannot be meant is a usage error that names it",
        arguments: [
            (["nope"], "nope"), (["workspaces"], "list, create"), (["workspaces", "nope"], "workspaces nope"),
            (["workspaces", "get"], "WORKSPACE"), (["workspaces", "send", "a"], "TEXT"), (["workspaces", "send", "a", "b", "c"], "'c'"),
            (["status", "--nope"], "--nope"), (["status", "--output"], "json|text"), (["status", "--output", "xml"], "json or text"),
            (["workspaces", "delete", "a", "--yes=1"], "no value"), (["status", "extra"], "'extra'"),
        ])
    func usage(words: [String], part: String) {
        #expect(message(words)?.contains(part) == true)
    }

    @Test("a number or a pair that is none is a usage error, and a secret is not repeated", arguments: ["0", "-1", "x", ""])
    func badNumber(text: String) throws {
        let invocation = try invocation("workspaces", "create", "a", "--timeout=\(text)", "--secret", "hunter2")
        #expect(throws: CommandError.self) { try invocation.number("--timeout") }
        let error = #expect(throws: CommandError.self) { try invocation.pairs("--secret") }
        #expect(error?.message.contains("hunter2") == false)
    }

    @Test("every command's help names its operands, its options and the exit codes", arguments: CommandName.allCases)
    func help(command: CommandName) throws {
        guard case .help(let text) = try Invocation.parse(command.rawValue.split(separator: " ").map(String.init) + ["--help"]) else {
            Issue.record("no help")
            return
        }
        #expect(text.contains("berth \(command.rawValue)"))
        for operand in command.syntax.operands { #expect(text.contains(operand.name)) }
        for option in command.syntax.options + CommandSyntax.common { #expect(text.contains(option.name)) }
        for code in ExitCode.allCases { #expect(text.contains("  \(code.rawValue)  \(code.meaning)")) }
    }

    @Test("without arguments, and with --help, every command is listed", arguments: [[], ["--help"], ["help"]])
    func overview(words: [String]) throws {
        guard case .help(let text) = try Invocation.parse(words) else {
            Issue.record("no help")
            return
        }
        for command in CommandName.allCases { #expect(text.contains("  \(command.rawValue) ")) }
    }

    @Test(
        "the daemon's address follows its own settings",
        arguments: [
            ([:], "http://127.0.0.1:8080"), (["PORT": "9000"], "http://127.0.0.1:9000"),
            (["PORT": "9000", "BIND_ADDRESS": "0.0.0.0"], "http://127.0.0.1:9000"), (["BIND_ADDRESS": "10.0.0.5"], "http://10.0.0.5:8080"),
            (["BIND_ADDRESS": "fd00::1"], "http://[fd00::1]:8080"),
            (["BERTH_URL": "https://berth.example/", "PORT": "1"], "https://berth.example"),
        ])
    func baseURL(environment: [String: String], url: String) throws {
        #expect(try Context.baseURL(environment) == url)
    }
}
