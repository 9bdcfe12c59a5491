/// The protocol versions this agent speaks. `docs/wire/agent.md` shows both side by side.
enum A2AVersion: String, Sendable, CaseIterable {
    case v03 = "0.3"
    case v10 = "1.0"

    /// Reads the `A2A-Version` a request carries. Absent or empty means 0.3; a patch number changes nothing; nil is a version we do not speak.
    init?(requested text: String?) {
        let parts = (text ?? "").filter { $0 != " " }.split(separator: ".", omittingEmptySubsequences: false)
        guard let text, !text.allSatisfy({ $0 == " " }) else {
            self = .v03
            return
        }
        self.init(rawValue: parts.prefix(2).joined(separator: "."))
    }
}

/// The operations of the protocol that this agent carries out.
enum A2AOperation: Sendable, Equatable {
    case send
    case stream

    /// The operations that 1.0 names and that this agent does not carry out: clients are told so, and not that the name is unknown.
    private static let unsupported: Set<String> = [
        "GetTask", "ListTasks", "CancelTask", "SubscribeToTask", "CreateTaskPushNotificationConfig", "GetTaskPushNotificationConfig",
        "ListTaskPushNotificationConfigs", "ListTaskPushNotificationConfig", "DeleteTaskPushNotificationConfig", "GetExtendedAgentCard",
    ]

    init(method: String, version: A2AVersion) throws(A2AError) {
        switch (version, method) {
        case (.v03, "message/send"), (.v10, "SendMessage"): self = .send
        case (.v03, "message/stream"), (.v10, "SendStreamingMessage"): self = .stream
        case (.v10, let name) where Self.unsupported.contains(name):
            throw A2AError(.unsupportedOperation, "this agent does not support \(name)")
        case (.v03, let name), (.v10, let name):
            throw A2AError(.methodNotFound, "there is no method \"\(name)\" in A2A \(version.rawValue)")
        }
    }
}
