/// The files of a state directory, by name. The daemon makes them (0600), the command line reads them.
public enum StateFile: String, Sendable, CaseIterable {
    case database = "berth.db"
    case instanceID = "instance-id"
    case adminToken = "admin-token"
    case secretsKey = "secrets.key"
    case processID = "berthd.pid"
    case log = "berthd.log"

    /// The file's path in `directory`.
    public func path(in directory: String) -> String { directory + "/" + rawValue }
}

public enum StateDirectory {
    /// `STATE_DIR`, else `/var/lib/berth` for root, else `berth` in the XDG state directory.
    public static func path(environment: [String: String], isRoot: Bool) -> String {
        if let chosen = environment["STATE_DIR"], !chosen.isEmpty { return chosen }
        if isRoot { return "/var/lib/berth" }
        if let state = environment["XDG_STATE_HOME"], !state.isEmpty { return state + "/berth" }
        return (environment["HOME"] ?? "/tmp") + "/.local/state/berth"
    }
}
