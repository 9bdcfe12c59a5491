import Model

/// Turns a workspace's events into progress: on a terminal one line per phase that is redrawn, elsewhere plain lines.
/// Pure: it returns what to write.
struct ProgressText {
    let isTerminal: Bool
    /// How long the daemon gives the agent from the start of the provision on; nil when that is not known.
    let provisionTimeoutMilliseconds: Int?
    private var openPhase: String?
    /// The step of our own that has begun and whose end was not told yet.
    private var phaseUnderWay: String?
    private var lastTenth: Int?
    /// A pull that moves does not count against the timeout.
    private var pullMilliseconds = 0
    private var secondsLeft: Int?

    init(isTerminal: Bool, provisionTimeoutMilliseconds: Int? = nil) {
        self.isTerminal = isTerminal
        self.provisionTimeoutMilliseconds = provisionTimeoutMilliseconds
    }

    /// What to write for one event.
    mutating func text(for event: WatchedEvent) -> String {
        switch EventKind(rawValue: event.type) {
        case .provisioning: line("provisioning", "started")
        case .provisionProgress: progress(event.data)
        case .awaitingAgent: line("waiting", "for the agent to connect")
        // A quick agent registers before the end of its container's start is told.
        case .online: endOfPhaseUnderWay() + line("online", "the agent has registered")
        case .offline: line("offline", reason(event.data))
        case .degraded: line("degraded", reason(event.data))
        case .removed: line("removed", "")
        case .paused: line("paused", "")
        case .hibernated: line("hibernated", "the next message wakes it")
        case .adopted: line("adopted", "its row was made from its container's labels")
        case .updated: line("updated", reason(event.data))
        case .provisionFailed: line("failed", reason(event.data))
        case .agentCardUpdated, .taskUpdated, .heartbeat, .activityLogged, .agentMessage, nil: ""
        }
    }

    /// What to write because a second has gone by: the time that is left, where it shows.
    mutating func secondPassed() -> String {
        guard let left = secondsLeft else { return "" }
        secondsLeft = max(0, left - 1)
        return openPhase == Self.agent ? open(Self.agent, agentText) : ""
    }

    /// Ends a line that is still open.
    mutating func finish() -> String {
        defer { openPhase = nil }
        return openPhase == nil ? "" : "\n"
    }

    private static let agent = "agent"

    private mutating func endOfPhaseUnderWay() -> String {
        defer { phaseUnderWay = nil }
        return phaseUnderWay.map { line($0, "done") } ?? ""
    }

    private mutating func progress(_ data: JSONValue) -> String {
        let phase = data["phase"]?.string ?? "?"
        let elapsed = data["elapsed_ms"]?.int ?? 0
        switch data["state"]?.string {
        case "waiting": return open(phase, Self.queueText(data["position"]?.int))
        case "started":
            lastTenth = nil
            if phase == Self.agent {
                secondsLeft = provisionTimeoutMilliseconds.map { max(0, ($0 - elapsed + pullMilliseconds) / 1000) }
                return open(phase, agentText)
            }
            phaseUnderWay = phase
            return open(phase, data["reason"]?.string ?? "...")
        case "progress": return bytes(phase, data)
        case "done":
            if phase == "image" { pullMilliseconds = elapsed }
            phaseUnderWay = nil
            return line(phase, "done in \(Human.duration(milliseconds: elapsed))")
        default: return line(phase, [data["state"]?.string, data["reason"]?.string].compactMap(\.self).joined(separator: ": "))
        }
    }

    private static func queueText(_ position: Int?) -> String {
        position.map { "waiting for its turn, number \($0) in line" } ?? "waiting for its turn"
    }

    private var agentText: String {
        "waiting for it to register" + (secondsLeft.map { ", \(Human.countdown(seconds: $0)) left" } ?? "")
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
        defer { openPhase = phase }
        return Self.rewind + Self.row(phase, text)
    }

    private mutating func line(_ phase: String, _ text: String) -> String {
        defer { openPhase = nil }
        return (openPhase == nil ? "" : Self.rewind) + Self.row(phase, text) + "\n"
    }

    private static let rewind = "\r\u{1B}[2K"

    private static func row(_ phase: String, _ text: String) -> String {
        let name = WorkspaceText.printable(phase)
        return text.isEmpty ? name : name + String(repeating: " ", count: max(1, 13 - name.count)) + WorkspaceText.printable(text)
    }
}
