import HTTP
import HTTPClient
import HTTPServer
import Model

/// The agent from its start to its end: listen, keep the platform informed, and go when asked to or when the workspace is gone.
enum AgentProgram {
    enum ExitCode: Int32 {
        case ended = 0
        /// `EX_OSERR`: the port could not be opened.
        case cannotListen = 71
        /// `EX_CONFIG`: starting again unchanged gives the same result.
        case unusableEnvironment = 78
    }

    /// Shorter than the 10 s an engine waits before it kills.
    static let grace: Duration = .seconds(8)

    static func run() async -> ExitCode {
        let termination = Termination()
        let clock = SystemClock()
        let log = StandardErrorLog(clock: clock)
        let environment: AgentEnvironment
        do throws(AgentEnvironment.Invalid) {
            environment = try AgentEnvironment(AgentEnvironment.ofThisProcess())
        } catch {
            log.error(error.reason)
            return .unusableEnvironment
        }
        let configuration = AgentConfiguration(reading: SmallFile.read("\(environment.configDirectory)/config.yaml", limit: 1024 * 1024))
        for warning in configuration.warnings { log.warning(warning) }
        let agent = Agent(environment: environment, configuration: configuration, clock: clock, random: SystemRandom(), log: log)
        do throws(ListenError) {
            let listener = try agent.listen(on: .tcp(host: "0.0.0.0", port: configuration.port))
            log.info("listening", ("address", "\(listener.address)"), ("workspace", environment.workspaceID))
            await agent.run(until: termination)
            log.info("stopping")
            await listener.stop(grace: grace)
            return .ended
        } catch {
            log.error("cannot listen", ("address", "\(error.address)"), ("reason", error.detail))
            return .cannotListen
        }
    }
}

/// The parts of one agent, wired to each other.
struct Agent: Sendable {
    let environment: AgentEnvironment
    let service: AgentService
    let link: PlatformLink?
    let log: any LogSink

    init(
        environment: AgentEnvironment, configuration: AgentConfiguration, clock: any TimeSource, random: any RandomSource, log: any LogSink,
        transport: any HTTPTransport = CurlTransport(maximumIdleConnections: 2)
    ) {
        self.environment = environment
        self.log = log
        let board = TaskBoard(clock: clock)
        let handler: any MessageHandler = configuration.command.map { CommandHandler(command: $0) } ?? EchoHandler()
        service = AgentService(
            card: AgentCard(configuration: configuration), messages: MessageService(handler: handler, board: board, clock: clock),
            clock: clock, random: random, ownURL: "http://\(environment.hostName):\(configuration.port)")
        link = environment.platformURL.map { url in
            PlatformLink(
                client: PlatformClient(
                    workspaceID: environment.workspaceID, platformURL: url, token: TokenFile(configDirectory: environment.configDirectory),
                    transport: transport),
                board: board, interval: .seconds(configuration.heartbeatIntervalSeconds), clock: clock, random: random, log: log,
                startedAt: clock.now())
        }
    }

    func listen(on address: BoundAddress) throws(ListenError) -> any HTTPListening {
        var limits = ListenerLimits()
        limits.bodyBytes = AgentService.longestBody
        return try MicroHTTPServer.start(on: address, limits: limits, handler: service.handle)
    }

    /// Returns when `termination` came or the workspace was removed.
    func run(until termination: Termination) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await termination.wait() }
            if let link {
                // It throws only when cancelled, which is how it ends when the process is asked to stop.
                group.addTask { try? await link.run(url: service.ownURL, card: service.card.json(url: service.ownURL)) }
            } else {
                log.warning("PLATFORM_URL is not set: serving without registering")
            }
            await group.next()
            group.cancelAll()
        }
    }
}
