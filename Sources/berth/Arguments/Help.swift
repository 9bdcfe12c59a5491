/// What `--help` prints, made from the same table that parses.
enum Help {
    static var overview: String {
        """
        berth \(BerthVersion.text): workspaces for agents, from the command line

        usage: berth COMMAND [ARGUMENTS] [--output json|text]

        \(table(CommandName.allCases))

        berth COMMAND --help says more about each; berth --version prints the version.

        It talks to BERTH_URL with BERTH_TOKEN. Without them: http://127.0.0.1:8080 (PORT and BIND_ADDRESS are respected) and the admin
        token in STATE_DIR, which is /var/lib/berth for root, else berth in $XDG_STATE_HOME or ~/.local/state.

        \(exitCodes)
        """
    }

    static func group(_ commands: [CommandName]) -> String { "usage: berth COMMAND\n\n" + table(commands) }

    static func command(_ command: CommandName) -> String {
        let syntax = command.syntax
        let operands = syntax.operands.map(\.usage)
        let usage = (["berth", command.rawValue] + operands + ["[OPTIONS]"]).joined(separator: " ")
        let options = syntax.options + CommandSyntax.common
        let rows = options.map { option in
            (
                [option.name, option.value].compactMap(\.self).joined(separator: " "),
                option.help + (option.repeats ? "; may be repeated" : "")
            )
        }
        let parts = ["usage: \(usage)", syntax.summary, syntax.notes, "options:\n" + columns(rows), exitCodes]
        return parts.filter { !$0.isEmpty }.joined(separator: "\n\n")
    }

    private static var exitCodes: String {
        "exit codes:\n" + ExitCode.allCases.map { "  \($0.rawValue)  \($0.meaning)" }.joined(separator: "\n")
    }

    private static func table(_ commands: [CommandName]) -> String {
        "commands:\n"
            + columns(
                commands.map { command in
                    let operands = command.syntax.operands.map(\.usage)
                    return (([command.rawValue] + operands).joined(separator: " "), command.syntax.summary)
                })
    }

    private static func columns(_ rows: [(String, String)]) -> String {
        let width = rows.map(\.0.count).max() ?? 0
        return rows.map { "  " + $0.0 + String(repeating: " ", count: width - $0.0.count + 2) + $0.1 }.joined(separator: "\n")
    }
}
