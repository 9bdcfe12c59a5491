import Glibc
import HTTP

enum Machine {
    /// Takes as many descriptors as this process may have: the default of many shells would be used up by idle connections.
    static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    /// A door's share of the descriptors: two doors, and enough left for the database, the engine and calls to agents.
    static func listenerLimits() -> ListenerLimits {
        var limits = ListenerLimits()
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return limits }
        limits.connections = min(limits.connections, max(64, (Int(clamping: limit.rlim_cur) - 256) / 3))
        return limits
    }

    /// The process's environment.
    static var environment: [String: String] {
        var values: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let pair = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if pair.count == 2 { values[String(pair[0])] = String(pair[1]) }
            entry += 1
        }
        return values
    }
}
