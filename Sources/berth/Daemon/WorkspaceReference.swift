import Model

/// What a person calls a workspace by: an id, the beginning of one, or a name.
enum WorkspaceReference {
    /// What is looked for.
    enum Kind: String {
        case workspace, orphan

        var missing: ErrorCode {
            switch self {
            case .workspace: .workspaceNotFound
            case .orphan: .orphanNotFound
            }
        }
    }

    /// Picks the one workspace that `text` means. A name wins over the beginning of an id.
    static func pick(_ text: String, from workspaces: [JSONValue], kind: Kind = .workspace) throws -> JSONValue {
        let named = workspaces.filter { $0["name"]?.string == text }
        let matches = named.isEmpty ? workspaces.filter { $0["id"]?.string?.hasPrefix(text.lowercased()) == true } : named
        switch matches.count {
        case 1: return matches[0]
        case 0:
            throw CommandError(
                .notFound, code: kind.missing.rawValue, "no \(kind.rawValue) is called '\(text)'",
                next: "'berth \(kind.rawValue)s list' shows what there is.")
        default:
            let ids = matches.compactMap { $0["id"]?.string }.joined(separator: ", ")
            throw CommandError(
                .usage, code: "ambiguous", "'\(text)' means more than one \(kind.rawValue): \(ids)", next: "Give more of the id.")
        }
    }
}

extension Context {
    /// The id of the workspace named on the command line.
    func workspaceID() async throws -> String {
        let text = invocation.operand("WORKSPACE") ?? ""
        guard !text.isEmpty else { throw CommandError.usage("WORKSPACE is empty", of: invocation.command) }
        return try await workspaceID(of: text)
    }

    /// The id of the workspace that `text` means.
    func workspaceID(of text: String) async throws -> String {
        // A whole id needs no list, and may belong to a workspace that was removed.
        if let id = WorkspaceID(text) { return id.text }
        let all = try await daemon.get("/workspaces").array ?? []
        return try WorkspaceReference.pick(text, from: all)["id"]?.string ?? ""
    }
}
