/// What the commands about images accept.
extension CommandName {
    private static let dryRun = CommandSyntax.Option(name: "--dry-run", value: nil, help: "only say what would happen")

    var imagesRefreshSyntax: CommandSyntax {
        CommandSyntax(
            summary: "bring in the newest version of runtimes' images", operands: [.init(name: "RUNTIME", required: false, repeats: true)],
            options: [
                .init(name: "--recreate", value: nil, help: "replace the containers that run another version, one after another"),
                Self.dryRun,
            ],
            notes:
                "Without RUNTIME, every runtime's. A new version proves itself on a canary, or on the first workspace, before any other gets "
                + "it;\none that does not is refused, and workspaces stay on the version before. 'berth images rollback' leads back later.")
    }

    var imagesRollbackSyntax: CommandSyntax {
        CommandSyntax(
            summary: "go back to the version before, and replace the containers that run another", operands: [.init(name: "RUNTIME")],
            options: [Self.dryRun], notes: "The version that is left is not brought in again by itself; a refresh that you ask for may.")
    }
}
