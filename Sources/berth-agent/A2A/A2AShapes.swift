import Model

/// What the agent says in one exchange, before it takes the form of a version.
enum AgentOutput: Sendable, Equatable {
    case message(String)
    case taskStarted
    case chunk(String, isFirst: Bool)
    case taskEnded(TaskEnding)
}

enum TaskEnding: Sendable, Equatable {
    case completed
    /// The text for the sender.
    case failed(String)
}

/// One exchange: the ids that all its parts share, and the form its version gives them.
struct A2AExchange: Sendable {
    let version: A2AVersion
    let requestID: JSONValue
    let contextID: String
    let taskID: String
    let clock: any TimeSource
    let random: any RandomSource

    init(version: A2AVersion, requestID: JSONValue, contextID: String?, clock: any TimeSource, random: any RandomSource) {
        self.version = version
        self.requestID = requestID
        self.contextID = contextID ?? UUIDText.random(random)
        taskID = UUIDText.random(random)
        self.clock = clock
        self.random = random
    }

    /// A whole JSON-RPC response with `output` as its result.
    func response(_ output: AgentOutput) -> JSONValue { ["jsonrpc": "2.0", "id": requestID, "result": result(output)] }

    private func result(_ output: AgentOutput) -> JSONValue {
        switch version {
        case .v03: result03(output)
        case .v10: result10(output)
        }
    }

    private func result03(_ output: AgentOutput) -> JSONValue {
        switch output {
        case .message(let text): message03(text)
        case .taskStarted: ["kind": "task", "id": .string(taskID), "contextId": .string(contextID), "status": status("working", nil)]
        case .chunk(let text, let isFirst):
            [
                "kind": "artifact-update", "taskId": .string(taskID), "contextId": .string(contextID),
                "artifact": ["artifactId": "reply", "parts": [["kind": "text", "text": .string(text)]]], "append": .bool(!isFirst),
            ]
        case .taskEnded(let ending):
            [
                "kind": "status-update", "taskId": .string(taskID), "contextId": .string(contextID),
                "status": ending.failure.map { status("failed", message03($0)) } ?? status("completed", nil), "final": true,
            ]
        }
    }

    private func result10(_ output: AgentOutput) -> JSONValue {
        switch output {
        case .message(let text): ["message": message10(text)]
        case .taskStarted: ["task": ["id": .string(taskID), "contextId": .string(contextID), "status": status("TASK_STATE_WORKING", nil)]]
        case .chunk(let text, let isFirst):
            [
                "artifactUpdate": [
                    "taskId": .string(taskID), "contextId": .string(contextID),
                    "artifact": ["artifactId": "reply", "parts": [["text": .string(text)]]], "append": .bool(!isFirst),
                ]
            ]
        case .taskEnded(let ending):
            [
                "statusUpdate": [
                    "taskId": .string(taskID), "contextId": .string(contextID),
                    "status": ending.failure.map { status("TASK_STATE_FAILED", message10($0)) } ?? status("TASK_STATE_COMPLETED", nil),
                ]
            ]
        }
    }

    private func message03(_ text: String) -> JSONValue {
        [
            "kind": "message", "role": "agent", "messageId": .string(UUIDText.random(random)), "contextId": .string(contextID),
            "parts": [["kind": "text", "text": .string(text)]],
        ]
    }

    private func message10(_ text: String) -> JSONValue {
        [
            "messageId": .string(UUIDText.random(random)), "contextId": .string(contextID), "role": "ROLE_AGENT",
            "parts": [["text": .string(text)]],
        ]
    }

    private func status(_ state: String, _ message: JSONValue?) -> JSONValue {
        // Both versions read UTC with milliseconds: the 23 characters before the microseconds.
        var status: JSONObject = ["state": .string(state), "timestamp": .string(clock.now().rfc3339.prefix(23) + "Z")]
        status["message"] = message
        return .object(status)
    }
}

extension TaskEnding {
    fileprivate var failure: String? {
        switch self {
        case .completed: nil
        case .failed(let text): text
        }
    }
}
