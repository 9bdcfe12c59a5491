import Glibc
import HTTP
import HTTPServer
import Model

enum BerthVersion {
    static let text = "0.1.0"
}

@main
struct Program {
    static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        if let answer = Usage.answer(to: arguments) {
            print(answer.text)
            exit(answer.code)
        }
        exit(await Daemon.run(environment: Machine.environment))
    }
}

/// What `berthd` says about itself. It takes no other arguments: everything is in the environment.
enum Usage {
    static func answer(to arguments: [String]) -> (text: String, code: Int32)? {
        switch arguments.first {
        case nil: nil
        case "--version": ("berthd \(BerthVersion.text)", 0)
        case "--help", "-h": (help, 0)
        case .some(let other):
            ("error: unknown argument \(other)\nnext: berthd takes its settings from the environment; see berthd --help", 2)
        }
    }

    private static let help = """
        berthd \(BerthVersion.text): gives every agent a berth

        usage: berthd [--help | --version]

        It runs in the foreground and logs to standard error. Settings come from the environment; docs/operations.md explains each:
        \(EnvironmentName.allCases.map { "  " + $0.rawValue }.joined(separator: "\n"))

        exit codes: 0 stopped when asked, 1 could not start, 2 unknown argument
        """
}

/// One run of the daemon, from the first line to the last.
enum Daemon {
    /// Returns the exit code.
    static func run(environment: [String: String]) async -> Int32 {
        let signals = Signals()
        let bootLog = StandardErrorLog(threshold: .info, clock: SystemClock())
        do {
            let configuration = try Configuration(environment: environment, isRoot: geteuid() == 0)
            let log = StandardErrorLog(threshold: configuration.logLevel, clock: SystemClock())
            for problem in configuration.problems { log.warning(problem) }
            Machine.raiseDescriptorLimit()
            let home = try StateHome(path: configuration.stateDirectory)
            defer { home.release() }
            let services = try await Services.build(configuration, home: home, log: log)
            return try await serve(services, signals: signals)
        } catch let error as any CodedError {
            bootLog.error("berthd cannot start", ("code", error.code.rawValue), ("error", error.message), ("next", error.next ?? ""))
        } catch {
            bootLog.error("berthd cannot start", ("code", ErrorCode.internalError.rawValue), ("error", String(describing: error)))
        }
        return 1
    }

    private static func serve(_ services: Services, signals: Signals) async throws -> Int32 {
        let configuration = services.configuration
        let people: MicroHTTPServer
        do {
            people = try MicroHTTPServer.start(
                on: .tcp(host: configuration.bindAddress, port: configuration.port), limits: Machine.listenerLimits(), threads: 2,
                handler: services.api.handler(for: .people))
        } catch {
            throw ListenFailure.coded(error, variable: error.reason == .addressInUse ? .port : .bindAddress)
        }
        services.log.info("people's door is open", ("address", people.address.description), ("pid", String(getpid())))
        let loops = Task { await services.supervisor.run(services.loops) }
        let code = await untilAsked(signals)
        services.log.info("stopping", ("grace_s", String(configuration.shutdownGrace.secondsRounded)))
        loops.cancel()
        services.api.endStreams()
        await people.stop(grace: configuration.shutdownGrace)
        await services.agentsDoor.close(grace: configuration.shutdownGrace)
        await services.provisioner.cancelAll()
        await loops.value
        services.transport.close()
        await services.store.close()
        services.log.info("stopped; containers go on running")
        return code
    }

    /// Returns when a signal asks for it. A second signal ends the process at once.
    private static func untilAsked(_ signals: Signals) async -> Int32 {
        for await _ in signals.received { break }
        let second = signals.received
        Task.detached { for await _ in second { _exit(130) } }
        return 0
    }
}
