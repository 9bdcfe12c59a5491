import HTTP
import HTTPServer
import Model
import Synchronization

/// The listener on the gateway of the workspace network. It exists once the network does, and follows it when it is made again.
final class AgentsDoor: Sendable {
    enum State: Sendable {
        case waiting(any CodedError)
        case open(BoundAddress)
    }

    private struct Held {
        var state: State
        var listener: MicroHTTPServer?
        var host: String?
    }

    private let network: any NetworkEnsuring
    private let fixedHost: String?
    private let port: Int
    private let handler: HTTPHandler
    private let clock: any TimeSource
    private let log: any LogSink
    private let held: Mutex<Held>

    init(
        network: any NetworkEnsuring, fixedHost: String?, port: Int, handler: @escaping HTTPHandler, clock: any TimeSource, log: any LogSink
    ) {
        self.network = network
        self.fixedHost = fixedHost
        self.port = port
        self.handler = handler
        self.clock = clock
        self.log = log
        held = Mutex(Held(state: .waiting(Failure(.networkMissing, "the workspace network is being made")), listener: nil, host: nil))
    }

    /// One container cannot take all connections: the others must still get in to beat.
    private static var limits: ListenerLimits {
        var limits = Machine.listenerLimits()
        limits.connectionsPerAddress = 256
        return limits
    }

    var state: State { held.withLock { $0.state } }

    /// Looks every `interval` whether the network still is where the door listens.
    func run(every interval: Duration, tick: @Sendable () -> Void) async throws {
        while true {
            do {
                try await follow(host: address())
            } catch let error as any CodedError {
                note(error)
            }
            tick()
            try await clock.sleep(for: interval)
        }
    }

    func close(grace: Duration) async {
        let listener = held.withLock { held in
            let listener = held.listener
            held.listener = nil
            return listener
        }
        await listener?.stop(grace: grace)
    }

    private func address() async throws -> String {
        if let fixedHost { return fixedHost }
        return try await network.ensureNetwork().gateway
    }

    private func follow(host: String) async throws {
        let former = held.withLock { held -> (same: Bool, listener: MicroHTTPServer?) in
            if held.host == host, held.listener != nil { return (true, nil) }
            let listener = held.listener
            held.listener = nil
            held.host = nil
            return (false, listener)
        }
        guard !former.same else { return }
        await former.listener?.stop(grace: .seconds(1))
        let listener: MicroHTTPServer
        do {
            listener = try MicroHTTPServer.start(on: .tcp(host: host, port: port), limits: Self.limits, threads: 1, handler: handler)
        } catch {
            throw ListenFailure.coded(error, variable: .agentListen)
        }
        held.withLock { held in
            held.listener = listener
            held.host = host
            held.state = .open(listener.address)
        }
        log.info("agents' door is open", ("address", listener.address.description))
    }

    private func note(_ error: any CodedError) {
        let changed = held.withLock { held -> Bool in
            if case .waiting(let known) = held.state, known.code == error.code { return false }
            held.state = .waiting(error)
            return true
        }
        if changed { log.warning("agents' door is not open", ("code", error.code.rawValue), ("error", error.message)) }
    }
}

/// Why a door could not be opened, in words for the operator.
enum ListenFailure {
    static func coded(_ error: ListenError, variable: EnvironmentName) -> Failure {
        switch error.reason {
        case .addressInUse:
            Failure(
                .portTaken, "another process listens on \(error.address)",
                next: "Stop it, or choose another address with \(variable.rawValue).")
        case .permissionDenied:
            Failure(
                .portTaken, "this user may not listen on \(error.address)",
                next: "Choose a port above 1023 with \(variable.rawValue), or grant CAP_NET_BIND_SERVICE.")
        case .addressNotAvailable:
            Failure(
                .configurationInvalid, "\(error.address) is not an address of this host",
                next: "Set \(variable.rawValue) to an address that this host has.")
        case .other:
            Failure(.configurationInvalid, "cannot listen on \(error.address): \(error.detail)", next: "Check \(variable.rawValue).")
        }
    }
}
