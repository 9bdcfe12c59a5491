/// What holds between a workspace and those above it. Every store asks inside the transaction that changes a row, so that two changes which
/// are harmless alone cannot break it together.
public enum Ancestry {
    /// Whether `workspace` may hang below `parent`. `row` reads one row. Throws `invalid_field` when the parent is not live, `parent_cycle`
    /// when it is the workspace itself or below it, `parent_paused` when something would run below a paused workspace.
    public static func checkPlace(
        of workspace: Workspace, below parent: WorkspaceID, row: (WorkspaceID) throws -> Workspace?
    ) throws {
        let above = try above(parent, row)
        guard parent != workspace.id, !above.contains(where: { $0.id == workspace.id }) else { throw parentCycle }
        guard let nearest = above.first, nearest.status != .removed else { throw parentNotLive }
        if workspace.status != .paused { try check(above) }
    }

    /// Whether `workspace` may start: nothing runs below a paused one. Throws `parent_paused`.
    public static func checkStart(of workspace: Workspace, row: (WorkspaceID) throws -> Workspace?) throws {
        try check(try above(workspace.parentID, row).filter { $0.id != workspace.id })
    }

    private static func check(_ above: [Workspace]) throws {
        guard let paused = above.first(where: { $0.status == .paused }) else { return }
        throw StoreError(
            .parentPaused, "parent workspace \"\(paused.name)\" is paused — resume it first",
            next: "berth workspaces resume \(paused.id) starts it and everything below it.",
            details: ["parent_id": .string(paused.id.text)])
    }

    /// Those above, the nearest first, each at most once; ends where a row is missing.
    private static func above(_ parent: WorkspaceID?, _ row: (WorkspaceID) throws -> Workspace?) rethrows -> [Workspace] {
        var seen: Set<WorkspaceID> = []
        var found: [Workspace] = []
        var next = parent
        while let id = next, seen.insert(id).inserted, let workspace = try row(id) {
            found.append(workspace)
            next = workspace.parentID
        }
        return found
    }

    private static let parentNotLive = StoreError(
        .invalidField, "parent workspace not found", next: "Give the id of a live workspace as parent_id.", details: ["field": "parent_id"])
    private static let parentCycle = StoreError(
        .parentCycle, "a workspace cannot be below itself", next: "Choose a parent that is neither the workspace itself nor below it.",
        details: ["field": "parent_id"])
}
