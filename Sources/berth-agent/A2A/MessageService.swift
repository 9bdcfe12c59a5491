import HTTP
import Model

/// Carries out `send` and `stream`: gives the message to the handler, keeps the task board, and answers in the caller's version.
struct MessageService: Sendable {
    static let emptyReply = "(no response generated)"
    /// A stream that is silent for longer than this gets a comment, so that nothing on the way closes it.
    static let keepAliveInterval: Duration = .seconds(15)

    let handler: any MessageHandler
    let board: TaskBoard
    let clock: any TimeSource

    /// The whole reply. A handler that fails is answered for with a message, as people and platform expect it.
    func send(_ message: IncomingMessage, _ exchange: A2AExchange) async -> JSONValue {
        var text = ""
        let error = await work(on: message) { text += $0 }
        if let error { return exchange.response(.message(Self.errorText(error))) }
        return exchange.response(.message(text.isEmpty ? Self.emptyReply : text))
    }

    /// Writes the reply as server-sent events: one message from a handler that answers at once, else a task with its pieces.
    func stream(_ message: IncomingMessage, _ exchange: A2AExchange, to sink: any ByteSink) async throws {
        let events = EventStream(sink: sink)
        let keepAlive = Task {
            while true {
                try await clock.sleep(for: Self.keepAliveInterval)
                try await events.keepAlive()
            }
        }
        defer { keepAlive.cancel() }
        guard handler.isGradual else {
            let response = await send(message, exchange)
            return try await events.write(response)
        }
        try await events.write(exchange.response(.taskStarted))
        var isFirst = true
        let error = await work(on: message) { chunk in
            // A reader that went away cancels this task, which ends the work.
            try? await events.write(exchange.response(.chunk(chunk, isFirst: isFirst)))
            isFirst = false
        }
        if error == nil, isFirst { try await events.write(exchange.response(.chunk(Self.emptyReply, isFirst: true))) }
        try await events.write(exchange.response(.taskEnded(error.map { .failed(Self.errorText($0)) } ?? .completed)))
    }

    /// Runs the handler; returns the sentence of its failure, nil when it went well or when nobody waits any more.
    private func work(on message: IncomingMessage, _ take: (String) async -> Void) async -> String? {
        let task = board.begin(message.text)
        do {
            for try await chunk in handler.reply(to: message.text) { await take(chunk) }
            if Task.isCancelled { board.abandon(task) } else { board.end(task, error: nil) }
            return nil
        } catch let failure as HandlerFailure {
            board.end(task, error: failure.reason)
            return failure.reason
        } catch {
            board.abandon(task)
            return "the message was not worked on to its end"
        }
    }

    private static func errorText(_ reason: String) -> String { "Agent error: \(reason)" }
}

/// Writes events one after the other, with keep-alive comments between them and never inside.
actor EventStream {
    private let sink: any ByteSink
    private var last: Task<Void, any Error>?

    init(sink: any ByteSink) { self.sink = sink }

    func write(_ value: JSONValue) async throws { try await append(ServerSentEvent(data: value.text).bytes) }
    func keepAlive() async throws { try await append(ServerSentEvent.keepAlive) }

    private func append(_ bytes: [UInt8]) async throws {
        let sink = sink
        let before = last
        let task = Task {
            // What is still being written goes first; its failure is its own writer's.
            _ = await before?.result
            try await sink.write(bytes)
        }
        last = task
        try await task.value
    }
}
