import HTTP
import Model

/// What somebody who runs an agent elsewhere needs to connect it. The token is in here and nowhere else.
struct ConnectionBlock {
    let workspaceID: WorkspaceID
    let platformURL: String
    let token: String

    var json: JSONValue {
        [
            "workspace_id": .string(workspaceID.text),
            "platform_url": .string(platformURL),
            "auth_token": .string(token),
            "registry_endpoint": .string("\(platformURL)/registry/register"),
            "heartbeat_endpoint": .string("\(platformURL)/registry/heartbeat"),
            "curl_register_template": .string(curl),
            "python_snippet": .string(python),
        ]
    }

    private var curl: String {
        """
        curl -fsS -X POST '\(platformURL)/registry/register' \\
          -H 'Authorization: Bearer \(token)' -H 'Content-Type: application/json' \\
          -d '{"id":"\(workspaceID)","url":"https://AGENT.EXAMPLE","agent_card":{"name":"my agent"}}'
        """
    }

    private var python: String {
        """
        import json, time, urllib.request

        def post(path, body):
            request = urllib.request.Request("\(platformURL)" + path, json.dumps(body).encode(),
                {"Authorization": "Bearer \(token)", "Content-Type": "application/json"})
            return json.load(urllib.request.urlopen(request, timeout=10))

        post("/registry/register", {"id": "\(workspaceID)", "url": "https://AGENT.EXAMPLE", "agent_card": {"name": "my agent"}})
        while True:
            post("/registry/heartbeat", {"workspace_id": "\(workspaceID)", "active_tasks": 0})
            time.sleep(30)
        """
    }

    /// Where this daemon is reached from outside: as configured, else as the request came in. A name with odd characters is not
    /// repeated into commands that people will paste.
    static func platformURL(_ settings: APISettings, _ request: Request) -> String {
        if let configured = settings.externalPlatformURL, !configured.isEmpty {
            return configured.hasSuffix("/") ? String(configured.dropLast()) : configured
        }
        let forwarded = request.headers["X-Forwarded-Proto"].flatMap { ["http", "https"].contains($0) ? $0 : nil }
        let host = request.headers["X-Forwarded-Host"] ?? request.headers["Host"] ?? ""
        return "\(forwarded ?? "http")://\(isPlain(host) ? host : "localhost")"
    }

    private static func isPlain(_ host: String) -> Bool {
        !host.isEmpty && host.utf8.count <= 260 && host.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || ".-:[]".contains($0)) }
    }
}
