/// What the commands accept that change a workspace's life, and those about orphans.
extension CommandName {
    var restartSyntax: CommandSyntax {
        CommandSyntax(
            summary: "make the workspace a new container on its volumes, and wait until its agent is online", operands: [Self.workspace],
            options: [
                .init(name: "--template", value: "T", help: "make it from this template from now on"),
                .init(name: "--apply-template", value: nil, help: "copy the template's files over those in /configs"),
                .init(name: "--reset", value: nil, help: "forget the runtime's saved session"),
                .init(name: "--no-wait", value: nil, help: "return as soon as the daemon has accepted it"),
                .init(name: "--timeout", value: "S", help: "how long to wait, in seconds (default 900)"),
            ], notes: Self.workspaceNote)
    }

    var hibernateSyntax: CommandSyntax {
        CommandSyntax(
            summary: "stop a workspace until the next message", operands: [Self.workspace],
            options: [.init(name: "--force", value: nil, help: "also while its agent is at work")], notes: Self.workspaceNote)
    }

    var updateSyntax: CommandSyntax {
        CommandSyntax(
            summary: "change a workspace", operands: [Self.workspace],
            options: [
                .init(name: "--name", value: "N", help: "another name"),
                .init(name: "--role", value: "R", help: "what it is for; an empty text clears it"),
                .init(name: "--tier", value: "N", help: "1 sandboxed, 2 standard, 3 privileged, 4 full"),
                .init(name: "--runtime", value: "R", help: "another runtime"),
                .init(name: "--model", value: "M", help: "the model the agent uses; an empty text clears it"),
                .init(name: "--image", value: "I", help: "another image"),
                .init(name: "--parent", value: "ID|none", help: "the workspace above it"),
                .init(name: "--hibernate-after", value: "MIN|never", help: "minutes without work after which it hibernates"),
                .init(name: "--max-tasks", value: "N", help: "how many tasks it may work on at once"),
                .init(name: "--workspace-dir", value: "DIR|none", help: "a directory of the host to mount at /workspace"),
                .init(name: "--workspace-access", value: "A", help: "none, read_only or read_write"),
            ], notes: Self.workspaceNote + "\nWhat concerns the container shows after a restart; the command says so.")
    }

    var operationsSyntax: CommandSyntax {
        CommandSyntax(
            summary: "list what was done to a workspace, the newest first", operands: [Self.workspace],
            options: [.init(name: "--limit", value: "N", help: "at most so many (default 20)")], notes: Self.workspaceNote)
    }

    var auditSyntax: CommandSyntax {
        CommandSyntax(
            summary: "print what was decided and done about orphans, the oldest first",
            options: [
                .init(name: "--after", value: "N", help: "only what came after number N"),
                .init(name: "--limit", value: "N", help: "at most so many (default 100)"),
            ])
    }

    var orphanActSyntax: CommandSyntax {
        var options = [
            CommandSyntax.Option(name: "--all", value: nil, help: "every orphan this applies to"),
            CommandSyntax.Option(name: "--dry-run", value: nil, help: "only say what would happen"),
        ]
        if self == .orphansPurge { options.append(.init(name: "--yes", value: nil, help: "do not ask")) }
        return CommandSyntax(
            summary: orphanActSummary, operands: [.init(name: "ORPHAN", required: false, repeats: true)], options: options,
            notes: "ORPHAN is the id of the workspace it was, the beginning of one, or its name; 'berth orphans list' shows them.")
    }

    private var orphanActSummary: String {
        if self == .orphansAdopt { return "make orphans workspaces again, from their containers' labels" }
        if self == .orphansRestore { return "start orphans again and leave them alone" }
        if self == .orphansConfirm { return "say that they are orphans: stop them now, and keep them until the retention is over" }
        return "remove quarantined orphans with their volumes, for good"
    }
}
