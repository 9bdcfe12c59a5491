/// Every command, by the words that call it.
enum CommandName: String, CaseIterable, Sendable {
    case up
    case down
    case status
    case doctor
    case workspacesList = "workspaces list"
    case workspacesCreate = "workspaces create"
    case workspacesGet = "workspaces get"
    case workspacesDelete = "workspaces delete"
    case workspacesLogs = "workspaces logs"
    case workspacesSend = "workspaces send"
    case workspacesWatch = "workspaces watch"
    case workspacesRestart = "workspaces restart"
    case workspacesPause = "workspaces pause"
    case workspacesResume = "workspaces resume"
    case workspacesHibernate = "workspaces hibernate"
    case workspacesCancel = "workspaces cancel"
    case workspacesUpdate = "workspaces update"
    case workspacesInspect = "workspaces inspect"
    case workspacesOperations = "workspaces operations"
    case orphansList = "orphans list"
    case orphansAdopt = "orphans adopt"
    case orphansRestore = "orphans restore"
    case orphansConfirm = "orphans confirm"
    case orphansPurge = "orphans purge"
    case imagesList = "images list"
    case imagesRefresh = "images refresh"
    case imagesRollback = "images rollback"
    case imagesPrune = "images prune"
    case audit
    case templatesList = "templates list"
    case templatesLint = "templates lint"
}

/// What a command accepts and says about itself.
struct CommandSyntax: Sendable {
    struct Operand: Sendable {
        let name: String
        var required = true
        /// Any number of them; only the last operand may.
        var repeats = false

        /// As it stands in a usage line.
        var usage: String {
            let text = name + (repeats ? "..." : "")
            return required ? text : "[\(text)]"
        }
    }

    struct Option: Sendable {
        let name: String
        /// What stands for the value in help; nil for a switch.
        let value: String?
        let help: String
        var repeats = false
    }

    let summary: String
    var operands: [Operand] = []
    var options: [Option] = []
    var notes = ""

    /// Accepted by every command.
    static let common = [
        Option(name: "--output", value: "json|text", help: "what to print on standard output (default text)"),
        Option(name: "--help", value: nil, help: "print this"),
    ]
}

extension CommandName {
    static let workspace = CommandSyntax.Operand(name: "WORKSPACE")
    static let workspaceNote = "WORKSPACE is an id, the beginning of one that no other shares, or a name."
    private static let project = CommandSyntax.Option(
        name: "--project", value: "DIR", help: "where scripts/ and templates/ are (default: around this program, else here)")

    var syntax: CommandSyntax {
        switch self {
        case .up:
            CommandSyntax(
                summary: "start what is missing, create a workspace, and talk to it", options: [Self.project],
                notes:
                    "Finds or starts a Docker Engine, builds the echo image, starts berthd, creates the workspace 'hello' and sends it a "
                    + "message.\nWhat is there already is used: a second run creates nothing and sends one message.")
        case .down:
            CommandSyntax(
                summary: "stop berthd and an engine that 'up' started", options: [Self.project],
                notes: "Containers, volumes and the state directory stay.")
        case .status: CommandSyntax(summary: "say how the daemon and its workspaces stand")
        case .doctor:
            CommandSyntax(
                summary: "check everything a working installation needs, and say what to do about the rest", options: [Self.project])
        case .workspacesList: CommandSyntax(summary: "list the workspaces")
        case .workspacesCreate: createSyntax
        case .workspacesGet: CommandSyntax(summary: "show one workspace", operands: [Self.workspace], notes: Self.workspaceNote)
        case .workspacesDelete:
            CommandSyntax(
                summary: "remove a workspace, its container and its volumes", operands: [Self.workspace],
                options: [
                    .init(name: "--cascade", value: nil, help: "remove its children too"),
                    .init(name: "--yes", value: nil, help: "do not ask"),
                ], notes: Self.workspaceNote)
        case .workspacesLogs:
            CommandSyntax(
                summary: "print what the agent's container wrote", operands: [Self.workspace],
                options: [
                    .init(name: "--tail", value: "N|all", help: "the last N lines (default all)"),
                    .init(name: "--since", value: "TIME", help: "from this moment on: RFC 3339 or Unix seconds"),
                    .init(name: "--follow", value: nil, help: "go on as it writes"),
                ], notes: Self.workspaceNote)
        case .workspacesSend: sendSyntax
        case .workspacesWatch:
            CommandSyntax(
                summary: "print the workspace's events as they happen", operands: [Self.workspace],
                options: [.init(name: "--all", value: nil, help: "begin with the first stored event instead of now")],
                notes: Self.workspaceNote + "\nWith --output json, each line is one event.")
        case .workspacesRestart: restartSyntax
        case .workspacesPause:
            CommandSyntax(
                summary: "stop a workspace with its descendants, until it is resumed", operands: [Self.workspace], notes: Self.workspaceNote
            )
        case .workspacesResume:
            CommandSyntax(
                summary: "start a paused workspace with its paused descendants", operands: [Self.workspace], notes: Self.workspaceNote)
        case .workspacesHibernate: hibernateSyntax
        case .workspacesCancel:
            CommandSyntax(summary: "end a start that waits or is under way", operands: [Self.workspace], notes: Self.workspaceNote)
        case .workspacesUpdate: updateSyntax
        case .workspacesInspect:
            CommandSyntax(
                summary: "show what the workspace's container is, and what differs from what it should be", operands: [Self.workspace],
                notes: Self.workspaceNote)
        case .workspacesOperations: operationsSyntax
        case .orphansList: CommandSyntax(summary: "list containers and volumes of ours that no workspace speaks for")
        case .orphansAdopt, .orphansRestore, .orphansConfirm, .orphansPurge: orphanActSyntax
        case .imagesList: CommandSyntax(summary: "list images with their versions, checks and refreshes")
        case .imagesRefresh: imagesRefreshSyntax
        case .imagesRollback: imagesRollbackSyntax
        case .imagesPrune:
            CommandSyntax(
                summary: "remove retired images whose time is over and that nothing needs",
                options: [.init(name: "--dry-run", value: nil, help: "only say which")])
        case .audit: auditSyntax
        case .templatesList: CommandSyntax(summary: "list what a workspace can be made from")
        case .templatesLint:
            CommandSyntax(
                summary: "check a template's files without a daemon", operands: [.init(name: "PATH", required: false)],
                notes: "PATH is a config.yaml, a template's directory or a directory of templates (default: CONFIGS_DIR, else templates).")
        }
    }

    private var createSyntax: CommandSyntax {
        CommandSyntax(
            summary: "create a workspace and wait until its agent is online", operands: [.init(name: "NAME")],
            options: [
                .init(name: "--template", value: "T", help: "the template to make it from"),
                .init(name: "--runtime", value: "R", help: "the runtime, when the template leaves it open"),
                .init(name: "--model", value: "M", help: "the model the agent uses"),
                .init(name: "--tier", value: "N", help: "1 sandboxed, 2 standard, 3 privileged, 4 full"),
                .init(name: "--secret", value: "K=V", help: "a secret in the agent's environment", repeats: true),
                .init(name: "--secret-file", value: "NAME=PATH", help: "a secret file, copied to /configs/.secrets/NAME", repeats: true),
                .init(name: "--external", value: nil, help: "the agent lives elsewhere: print what it needs to connect"),
                .init(name: "--url", value: "URL", help: "where the external agent listens"),
                .init(name: "--no-wait", value: nil, help: "return as soon as the daemon has accepted it"),
                .init(name: "--timeout", value: "S", help: "how long to wait, in seconds (default 900)"),
            ],
            notes: "A value on the command line can be seen by other users of this machine: prefer --secret-file for what must stay secret."
        )
    }

    private var sendSyntax: CommandSyntax {
        CommandSyntax(
            summary: "send the agent a message and print its reply", operands: [Self.workspace, .init(name: "TEXT")],
            options: [
                .init(name: "--stream", value: nil, help: "print the reply as it is produced"),
                .init(name: "--timeout", value: "S", help: "how long to wait, in seconds (default: as long as the agent works)"),
            ], notes: Self.workspaceNote)
    }
}
