import Model

/// What a person calls a workspace by: an id, the beginning of one, or a name.
enum WorkspaceReference {
    /// Picks the one workspace that `text` means. A name wins over the beginning of an id.
    static func pick(_ text: String, from workspaces: [JSONValue]) throws -> JSONValue {
        let named = workspaces.filter { $0["name"]?.string == text }
        let matches = named.isEmpty ? workspaces.filter { $0["id"]?.string?.hasPrefix(text.lowercased()) == true } : named
        switch matches.count {
        case 1: return matches[0]
        case 0:
            throw CommandError(
                .notFound, code: ErrorCode.workspaceNotFound.rawValue, "no workspace is called '\(text)'",
                next: "'berth workspaces list' shows what there is.")
        default:
            let ids = matches.compactMap { $0["id"]?.string }.joined(separator: ", ")
            throw CommandError(.usage, code: "ambiguous", "'\(text)' means more than one workspace: \(ids)", next: "Give more of the id.")
        }
    }
}

extension Context {
    /// The id of the workspace named on the command line.
    func workspaceID() async throws -> String {
        let text = invocation.operand("WORKSPACE") ?? ""
        // A whole id needs no list, and may belong to a workspace that was removed.
        if let id = WorkspaceID(text) { return id.text }
        guard !text.isEmpty else { throw CommandError.usage("WORKSPACE is empty", of: invocation.command) }
        let all = try await daemon.get("/workspaces").array ?? []
        return try WorkspaceReference.pick(text, from: all)["id"]?.string ?? ""
    }
}
