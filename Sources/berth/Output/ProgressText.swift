import Model

/// Turns a workspace's events into progress: on a terminal one line per phase that is redrawn, elsewhere plain lines.
/// Pure: it returns what to write.
struct ProgressText {
    let isTerminal: Bool
    private var openLine = false
    private var lastTenth: Int?

    init(isTerminal: Bool) { self.isTerminal = isTerminal }

    /// What to write for one event.
    mutating func text(for event: WatchedEvent) -> String {
        switch event.type {
        case EventKind.provisioning.rawValue: line("provisioning", "started")
        case EventKind.provisionProgress.rawValue: progress(event.data)
        case EventKind.awaitingAgent.rawValue: line("waiting", "for the agent to connect")
        case EventKind.online.rawValue: line("online", "the agent has registered")
        case EventKind.offline.rawValue: line("offline", reason(event.data))
        case EventKind.degraded.rawValue: line("degraded", reason(event.data))
        case EventKind.removed.rawValue: line("removed", "")
        case EventKind.provisionFailed.rawValue: line("failed", reason(event.data))
        default: ""
        }
    }

    /// Ends a line that is still open.
    mutating func finish() -> String {
        defer { openLine = false }
        return openLine ? "\n" : ""
    }

    private mutating func progress(_ data: JSONValue) -> String {
        let phase = data["phase"]?.string ?? "?"
        let elapsed = Human.duration(milliseconds: data["elapsed_ms"]?.int ?? 0)
        switch data["state"]?.string {
        case "started":
            lastTenth = nil
            return open(phase, phase == "agent" ? "waiting for it to register" : "...")
        case "progress": return bytes(phase, data)
        case "done": return line(phase, "done in \(elapsed)")
        default: return line(phase, data["state"]?.string ?? "")
        }
    }

    private mutating func bytes(_ phase: String, _ data: JSONValue) -> String {
        let (done, total) = (data["done_bytes"]?.int ?? 0, data["total_bytes"]?.int ?? 0)
        let amount = total > 0 ? "\(Human.size(done)) of \(Human.size(total))" : Human.size(done)
        let text = [data["status"]?.string ?? "", amount].filter { !$0.isEmpty }.joined(separator: " ")
        if isTerminal { return open(phase, text) }
        // A file does not want five lines a second.
        let tenth = total > 0 ? done * 10 / total : 0
        guard tenth != lastTenth else { return "" }
        lastTenth = tenth
        return Self.row(phase, text) + "\n"
    }

    private func reason(_ data: JSONValue) -> String {
        ["message", "error", "reason", "code"].lazy.compactMap { data[$0]?.string }.first ?? ""
    }

    /// A line that a later one of its phase replaces.
    private mutating func open(_ phase: String, _ text: String) -> String {
        guard isTerminal else { return text == "..." ? "" : Self.row(phase, text) + "\n" }
        defer { openLine = true }
        return Self.rewind + Self.row(phase, text)
    }

    private mutating func line(_ phase: String, _ text: String) -> String {
        defer { openLine = false }
        return (openLine ? Self.rewind : "") + Self.row(phase, text) + "\n"
    }

    private static let rewind = "\r\u{1B}[2K"

    private static func row(_ phase: String, _ text: String) -> String {
        let name = WorkspaceText.printable(phase)
        return text.isEmpty ? name : name + String(repeating: " ", count: max(1, 13 - name.count)) + WorkspaceText.printable(text)
    }
}
