import Model

/// The words in an agent's reply, whichever of A2A's forms carries them: a message, a task, or an update of one.
enum AgentReply {
    static func text(of result: JSONValue) -> String {
        let lines = bodies(of: result).flatMap(parts)
        if !lines.isEmpty { return lines.joined(separator: "\n") }
        let state = result["status"]?["state"]?.string ?? result["task"]?["status"]?["state"]?.string
        return state.map { "(no text; the task is \($0))" } ?? "(no text)"
    }

    /// What carries parts, best first: a message stands for itself, a task for its artifacts, or else its status.
    private static func bodies(of result: JSONValue) -> [JSONValue] {
        // A2A 1.0 wraps the reply in a member that names its kind.
        if let inner = result["message"] ?? result["task"] { return bodies(of: inner) }
        if result["parts"] != nil { return [result] }
        let artifacts = result["artifacts"]?.array ?? []
        return artifacts.isEmpty ? [result["status"]?["message"]].compactMap(\.self) : artifacts
    }

    private static func parts(of body: JSONValue) -> [String] { (body["parts"]?.array ?? []).compactMap { $0["text"]?.string } }

    /// The same for a stream of results: pieces of one artifact are written on.
    struct Stream {
        private var atLineStart = true

        mutating func text(for result: JSONValue) -> String {
            if let inner = result["artifactUpdate"] ?? result["statusUpdate"] ?? result["message"] ?? result["task"] {
                return text(for: inner)
            }
            if let piece = result["artifact"] { return written(piece, goesOn: result["append"]?.bool == true) }
            if result["parts"] != nil { return written(result, goesOn: false) }
            if let message = result["status"]?["message"] { return written(message, goesOn: false) }
            return (result["artifacts"]?.array ?? []).map { written($0, goesOn: false) }.joined()
        }

        mutating func finish() -> String {
            defer { atLineStart = true }
            return atLineStart ? "" : "\n"
        }

        private mutating func written(_ body: JSONValue, goesOn: Bool) -> String {
            let text = AgentReply.parts(of: body).joined(separator: goesOn ? "" : "\n")
            guard !text.isEmpty else { return "" }
            let separator = goesOn || atLineStart ? "" : "\n"
            atLineStart = text.hasSuffix("\n")
            return separator + text
        }
    }
}
