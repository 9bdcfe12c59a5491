/// Works on messages. The reply comes in pieces of text, in order; a failure ends it with `HandlerFailure`.
protocol MessageHandler: Sendable {
    /// Whether the reply may take a while and arrive in more than one piece.
    var isGradual: Bool { get }
    func reply(to text: String) -> AsyncThrowingStream<String, any Error>
}

/// Why a handler gave no answer, as a sentence for the sender.
struct HandlerFailure: Error, Equatable {
    let reason: String
}

/// Answers with what it was sent.
struct EchoHandler: MessageHandler {
    let isGradual = false

    func reply(to text: String) -> AsyncThrowingStream<String, any Error> {
        AsyncThrowingStream { continuation in
            continuation.yield("echo: \(text)")
            continuation.finish()
        }
    }
}
