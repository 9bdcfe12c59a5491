public import Model
import Synchronization

/// Logins for registries: the operator's own first, then GitHub's, then Docker's `config.json`, which is read anew each time.
public final class RegistryLogins: RegistryLoginFinding {
    private let own: [String: RegistryLogin]
    private let configPath: String?
    private let readFile: @Sendable (String) -> [UInt8]?
    private let log: any LogSink
    private let complained = Mutex<Set<String>>([])

    /// `own` is a JSON object, host to `{"username", "password"}`; nil entries and blank values are none. `readFile` gives a file's bytes,
    /// nil when it cannot be read.
    public init(
        own: JSONValue?, ghcrUser: String?, ghcrToken: String?, configPath: String?, log: any LogSink,
        readFile: @escaping @Sendable (String) -> [UInt8]?
    ) {
        var logins: [String: RegistryLogin] = [:]
        if let login = Self.login(ghcrUser, ghcrToken) { logins["ghcr.io"] = login }
        for member in own?.object?.members ?? [] {
            guard let login = Self.login(member.value["username"]?.string, member.value["password"]?.string) else { continue }
            logins[Self.host(member.key)] = login
        }
        self.own = logins
        self.configPath = configPath
        self.readFile = readFile
        self.log = log
    }

    public func login(for registry: String) -> RegistryLogin? {
        let host = Self.host(registry)
        return own[host] ?? fromConfig(host)
    }

    private func fromConfig(_ host: String) -> RegistryLogin? {
        guard let configPath, let bytes = readFile(configPath) else { return nil }
        guard let config = try? JSONValue(parsing: bytes) else {
            complain("Docker's config.json cannot be read, and is not used", configPath)
            return nil
        }
        let helpers = config["credHelpers"]?.object?.members.isEmpty == false ? "credHelpers" : nil
        let store = config["credsStore"]?.string?.isEmpty == false ? "credsStore" : nil
        for key in [helpers, store].compactMap(\.self) {
            complain("\(key) of Docker's config.json is not used: a daemon has no session for it", configPath)
        }
        let entries = config["auths"]?.object?.members.filter { Self.host($0.key) == host } ?? []
        return entries.lazy.compactMap { Self.login($0.value) }.first
    }

    private static func login(_ entry: JSONValue) -> RegistryLogin? {
        if let token = trimmed(entry["identitytoken"]?.string) { return RegistryLogin(user: "<token>", password: "", identityToken: token) }
        if let login = login(entry["username"]?.string, entry["password"]?.string) { return login }
        guard let packed = entry["auth"]?.string.flatMap(Base64.decoded) else { return nil }
        let halves = String(decoding: packed, as: UTF8.self).split(separator: ":", maxSplits: 1).map(String.init)
        return halves.count == 2 ? login(halves[0], halves[1]) : nil
    }

    private static func login(_ user: String?, _ password: String?) -> RegistryLogin? {
        guard let user = trimmed(user), let password = trimmed(password) else { return nil }
        return RegistryLogin(user: user, password: password)
    }

    private static func trimmed(_ text: String?) -> String? {
        guard let text else { return nil }
        let trimmed = String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
        return trimmed.isEmpty ? nil : trimmed
    }

    /// As image references spell it: config files have it with scheme and path, too, and Docker's own registry by its first address.
    static func host(_ key: String) -> String {
        var rest = key[...]
        if let scheme = rest.range(of: "://") { rest = rest[scheme.upperBound...] }
        let host = rest.prefix { $0 != "/" }.lowercased()
        return ["index.docker.io", "registry-1.docker.io"].contains(host) ? ImageReference.defaultRegistry : host
    }

    private func complain(_ message: String, _ path: String) {
        guard complained.withLock({ $0.insert(message).inserted }) else { return }
        log.warning(message, ("file", path))
    }
}

extension Substring {
    fileprivate func range(of text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
