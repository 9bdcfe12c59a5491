import Model

/// Which workspaces may talk: relatives in a straight line, children of one parent, and roots among each other. Status plays no part.
enum CommunicationRules {
    private static let longestWalk = 32

    /// What the two rows alone decide; nil when the line of ancestors must be walked.
    static func decide(_ caller: Workspace, _ target: Workspace) -> Bool? {
        if caller.id == target.id || caller.parentID == target.parentID { return true }
        if caller.parentID == target.id || target.parentID == caller.id { return true }
        return nil
    }

    /// Whether one of the two is an ancestor of the other. A broken or circular line is refused.
    static func areRelated(_ caller: WorkspaceID, _ target: WorkspaceID, among rows: [Workspace]) -> Bool {
        let parents = Dictionary(rows.map { ($0.id, $0.parentID) }, uniquingKeysWith: { first, _ in first })
        return isAncestor(caller, of: target, parents) || isAncestor(target, of: caller, parents)
    }

    private static func isAncestor(_ candidate: WorkspaceID, of id: WorkspaceID, _ parents: [WorkspaceID: WorkspaceID?]) -> Bool {
        var current = id
        for _ in 0..<longestWalk {
            guard let parent = parents[current] ?? nil else { return false }
            if parent == candidate { return true }
            current = parent
        }
        return false
    }
}
