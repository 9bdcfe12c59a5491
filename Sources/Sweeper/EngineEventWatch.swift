import Model

/// Listens to the engine for as long as the process lives, through every end of the engine.
struct EngineEventWatch: Sendable {
    enum News: Sendable {
        /// What happened while nobody listened must be looked for.
        case connected
        case lost
        case event(ContainerEvent)
    }

    let engine: any ContainerReading
    let clock: any TimeSource
    let log: any LogSink

    static let shortestPause: Duration = .milliseconds(500)
    static let longestPause: Duration = .seconds(30)

    func run(_ tell: @Sendable (News) -> Void) async {
        var pause = Self.shortestPause
        while !Task.isCancelled {
            let start = clock.now()
            do {
                let events = try await engine.events(since: nil)
                tell(.connected)
                defer { tell(.lost) }
                for try await event in events { tell(.event(event)) }
            } catch {
                log.debug("container events interrupted", ("error", String(describing: error)))
            }
            // Listening that held for a while was no failure of the engine's: the next attempt need not wait long.
            if clock.now() - start >= Self.longestPause { pause = Self.shortestPause }
            do { try await clock.sleep(for: pause) } catch { return }
            pause = min(pause * 2, Self.longestPause)
        }
    }
}
