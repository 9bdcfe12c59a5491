import HTTPClient
import Model

/// What every command works with.
struct Context: Sendable {
    let invocation: Invocation
    let environment: [String: String]
    let output: Output
    let stateDirectory: String
    let transport: CurlTransport
    let daemon: DaemonClient

    init(_ invocation: Invocation, environment: [String: String], output: Output) throws {
        self.invocation = invocation
        self.environment = environment
        self.output = output
        stateDirectory = StateDirectory.path(environment: environment, isRoot: Machine.isRoot)
        transport = CurlTransport()
        let token = Self.token(environment, stateDirectory)
        daemon = DaemonClient(baseURL: try Self.baseURL(environment), token: token, transport: transport)
    }

    var json: Bool { invocation.json }

    /// `BERTH_URL`, else loopback with the daemon's own `PORT` and `BIND_ADDRESS`.
    static func baseURL(_ environment: [String: String]) throws -> String {
        if let url = environment["BERTH_URL"], !url.isEmpty {
            guard url.hasPrefix("http://") || url.hasPrefix("https://") else {
                throw CommandError(.usage, code: "usage", "BERTH_URL must begin with http:// or https://")
            }
            return url.hasSuffix("/") ? String(url.dropLast()) : url
        }
        let port = environment["PORT"].flatMap { Int($0) } ?? 8080
        let host = environment["BIND_ADDRESS"] ?? ""
        // A daemon that listens everywhere is reached on loopback.
        let everywhere: Set = ["", "0.0.0.0", "::", "localhost"]
        if everywhere.contains(host) { return "http://127.0.0.1:\(port)" }
        return host.contains(":") ? "http://[\(host)]:\(port)" : "http://\(host):\(port)"
    }

    /// `BERTH_TOKEN`, else the admin token of the state directory, when it can be read.
    static func token(_ environment: [String: String], _ stateDirectory: String) -> String? {
        if let token = environment["BERTH_TOKEN"], !token.isEmpty { return token }
        return Machine.text(StateFile.adminToken.path(in: stateDirectory)).flatMap { text in
            text.split(whereSeparator: \.isWhitespace).first.map(String.init)
        }
    }

    /// The directory with `scripts/` and `templates/`: `--project`, else two above `.build/release`, else here.
    var projectDirectory: String {
        if let chosen = invocation.value("--project") { return Machine.realPath(chosen) ?? chosen }
        let parts = Machine.executable.split(separator: "/")
        if parts.count > 3, let build = parts.lastIndex(of: ".build"), build >= parts.count - 4 {
            return "/" + parts[..<build].joined(separator: "/")
        }
        return Machine.currentDirectory
    }
}
