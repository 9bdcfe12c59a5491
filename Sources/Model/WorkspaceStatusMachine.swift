/// What happened to a workspace, in the past tense.
public enum LifecycleEvent: Sendable, Hashable {
    case provisionStarted
    case agentRegistered(url: String, cardText: String)
    case beatReceived(BeatSignal)
    case provisionFailed(code: ErrorCode, message: String)
    case registerDeadlinePassed(seconds: Int, runtime: String, message: String)
    case bootstrapFailed(message: String, logTail: String)
    /// Its container ended, or its beats stopped: nobody answers there now.
    case agentLost(reason: String)
    case crashLooped(code: ErrorCode, message: String)
    case pauseRequested(name: String)
    /// A paused agent that lives elsewhere may come again.
    case agentReleased
    case hibernationClaimed
    /// A message came just as it was claimed.
    case hibernationAbandoned
    /// Its container is stopped.
    case hibernationCompleted(name: String, tier: Int)
    case removalRequested
}

/// The part of a heartbeat that can move the status. nil means that the beat did not say: what it left out stays as it was.
public struct BeatSignal: Sendable, Hashable {
    public static let degradeFrom = 0.5
    public static let recoverBelow = 0.1

    public let wedged: Bool?
    public let errorRate: Double?
    /// The agent declared `status_mgmt`: its error rate is not ours to judge.
    public let managesOwnStatus: Bool
    public let sampleError: String

    public init(wedged: Bool?, errorRate: Double?, managesOwnStatus: Bool, sampleError: String = "") {
        self.wedged = wedged
        self.errorRate = errorRate
        self.managesOwnStatus = managesOwnStatus
        self.sampleError = sampleError
    }

    /// Where a workspace that is up belongs, given this beat alone; nil leaves it where it is: the hysteresis
    /// band, or an agent whose error rate is its own business.
    fileprivate var verdict: WorkspaceCondition? {
        if wedged == true { return WorkspaceCondition(.degraded, .wedged) }
        guard let errorRate, !managesOwnStatus else { return nil }
        if errorRate >= Self.degradeFrom { return WorkspaceCondition(.degraded, .errorRate) }
        return errorRate < Self.recoverBelow ? WorkspaceCondition(.online) : nil
    }

    fileprivate var degradedPayload: JSONObject {
        var payload: JSONObject = [:]
        if wedged == true { payload["runtime_state"] = "wedged" }
        if !managesOwnStatus, let errorRate, errorRate >= Self.degradeFrom { payload["error_rate"] = .double(errorRate) }
        payload["sample_error"] = .string(sampleError)
        return payload
    }
}

/// What must be done because the status moved.
public enum LifecycleAction: Sendable, Hashable {
    case emit(EventKind, JSONObject)
    case revokeTokens
    case clearAddress
}

/// The only table of legal transitions.
public enum WorkspaceStatusMachine {
    public struct Transition: Sendable, Hashable {
        public let to: WorkspaceCondition
        public let actions: [LifecycleAction]
    }

    /// The move `event` makes from `condition`; nil when it changes nothing. There is no `default` here on purpose: a new
    /// status or event does not compile until somebody has decided what it means. `WorkspaceStatusMachineTests` holds the table.
    public static func apply(_ event: LifecycleEvent, to condition: WorkspaceCondition) -> Transition? {
        switch event {
        case .provisionStarted: provisionStarted(condition)
        case .agentRegistered(let url, let card): agentRegistered(condition, url: url, cardText: card)
        case .beatReceived(let signal): beatReceived(condition, signal)
        case .provisionFailed(let code, let message): provisionFailed(condition, code: code, message: message)
        case .registerDeadlinePassed(let seconds, let runtime, let message):
            registerDeadlinePassed(condition, seconds: seconds, runtime: runtime, message: message)
        case .bootstrapFailed(let message, let logTail): bootstrapFailed(condition, message: message, logTail: logTail)
        case .agentLost(let reason): agentLost(condition, reason: reason)
        case .crashLooped(let code, let message): crashLooped(condition, code: code, message: message)
        case .pauseRequested(let name): pauseRequested(condition, name: name)
        case .agentReleased: agentReleased(condition)
        case .hibernationClaimed: hibernationClaimed(condition)
        case .hibernationAbandoned: hibernationAbandoned(condition)
        case .hibernationCompleted(let name, let tier): hibernationCompleted(condition, name: name, tier: tier)
        case .removalRequested: removalRequested(condition)
        }
    }

    /// The moves one beat makes from each condition: what a store needs to apply a beat in one statement.
    public static func beatTable(_ signal: BeatSignal) -> [WorkspaceCondition: Transition] {
        var table: [WorkspaceCondition: Transition] = [:]
        for condition in WorkspaceCondition.all { table[condition] = apply(.beatReceived(signal), to: condition) }
        return table
    }

    private static func move(_ status: WorkspaceStatus, _ cause: ConditionCause? = nil, _ actions: LifecycleAction...) -> Transition {
        Transition(to: WorkspaceCondition(status, cause), actions: actions)
    }

    private static func provisionStarted(_ condition: WorkspaceCondition) -> Transition? {
        switch condition.status {
        case .provisioning, .removed: nil
        case .online, .offline, .degraded, .failed, .paused, .hibernated, .hibernating, .awaitingAgent:
            move(.provisioning, nil, .clearAddress, .emit(.provisioning, [:]))
        }
    }

    private static func agentRegistered(_ condition: WorkspaceCondition, url: String, cardText: String) -> Transition? {
        let card = (try? JSONValue(parsing: cardText)) ?? .null
        switch condition.status {
        case .failed where condition.cause != .registerTimeout:
            // Its container is kept stopped, or is being removed with its volumes: an agent that slips in has no future.
            return nil
        case .provisioning, .online, .offline, .degraded, .failed, .awaitingAgent:
            return move(.online, nil, .emit(.online, ["url": .string(url), "agent_card": card]))
        case .removed, .paused, .hibernated, .hibernating:
            return nil
        }
    }

    private static func beatReceived(_ condition: WorkspaceCondition, _ signal: BeatSignal) -> Transition? {
        switch condition.status {
        case .online, .degraded:
            if condition.cause == .wedged, signal.wedged == nil { return nil }
            guard let verdict = signal.verdict ?? condition.clearedWedge(by: signal), verdict != condition else { return nil }
            return up(verdict, signal, onlinePayload: [:])
        case .offline, .awaitingAgent:
            return up(signal.verdict ?? WorkspaceCondition(.online), signal, onlinePayload: [:])
        case .provisioning:
            return up(signal.verdict ?? WorkspaceCondition(.online), signal, onlinePayload: ["recovered_from": "provisioning"])
        case .failed:
            guard condition.cause == .registerTimeout else { return nil }
            return up(signal.verdict ?? WorkspaceCondition(.online), signal, onlinePayload: ["recovered_from": "failed"])
        case .removed, .paused, .hibernated, .hibernating:
            return nil
        }
    }

    private static func up(_ target: WorkspaceCondition, _ signal: BeatSignal, onlinePayload: JSONObject) -> Transition {
        target.status == .online
            ? Transition(to: target, actions: [.emit(.online, onlinePayload)])
            : Transition(to: target, actions: [.emit(.degraded, signal.degradedPayload)])
    }

    private static func provisionFailed(_ condition: WorkspaceCondition, code: ErrorCode, message: String) -> Transition? {
        switch condition.status {
        case .provisioning, .online, .offline, .degraded, .failed:
            guard condition != WorkspaceCondition(.failed, .provision) else { return nil }
            return move(
                .failed, .provision, .clearAddress,
                .emit(.provisionFailed, ["error": .string(message), "code": .string(code.rawValue)]))
        case .removed, .paused, .hibernated, .hibernating, .awaitingAgent:
            return nil
        }
    }

    private static func registerDeadlinePassed(_ condition: WorkspaceCondition, seconds: Int, runtime: String, message: String)
        -> Transition?
    {
        switch condition.status {
        case .provisioning:
            move(
                .failed, .registerTimeout,
                .emit(
                    .provisionFailed,
                    [
                        "error": .string(message), "code": .string(ErrorCode.registerTimeout.rawValue), "timeout_secs": .int(seconds),
                        "runtime": .string(runtime), "source": "provision_timeout_sweep",
                    ]))
        case .online, .offline, .degraded, .failed, .removed, .paused, .hibernated, .hibernating, .awaitingAgent:
            nil
        }
    }

    private static func bootstrapFailed(_ condition: WorkspaceCondition, message: String, logTail: String) -> Transition? {
        switch condition.status {
        case .provisioning:
            move(
                .failed, .registerTimeout,
                .emit(
                    .provisionFailed,
                    [
                        "error": .string(message), "code": .string(ErrorCode.bootstrapFailed.rawValue), "log_tail": .string(logTail),
                        "source": "bootstrap_watcher",
                    ]))
        case .online, .offline, .degraded, .failed, .removed, .paused, .hibernated, .hibernating, .awaitingAgent:
            nil
        }
    }

    private static func agentLost(_ condition: WorkspaceCondition, reason: String) -> Transition? {
        switch condition.status {
        case .online, .degraded: move(.offline, nil, .emit(.offline, ["reason": .string(reason)]))
        case .provisioning, .offline, .failed, .removed, .paused, .hibernated, .hibernating, .awaitingAgent: nil
        }
    }

    private static func crashLooped(_ condition: WorkspaceCondition, code: ErrorCode, message: String) -> Transition? {
        switch condition.status {
        case .failed where condition.cause != .registerTimeout:
            nil
        case .provisioning, .online, .offline, .degraded, .failed:
            move(
                .failed, .crashLoop, .clearAddress,
                .emit(
                    .provisionFailed,
                    ["error": .string(message), "code": .string(code.rawValue), "source": "restart_budget"]))
        case .removed, .paused, .hibernated, .hibernating, .awaitingAgent:
            nil
        }
    }

    private static func pauseRequested(_ condition: WorkspaceCondition, name: String) -> Transition? {
        switch condition.status {
        case .removed, .paused: nil
        case .provisioning, .online, .offline, .degraded, .failed, .hibernated, .hibernating, .awaitingAgent:
            move(.paused, nil, .clearAddress, .emit(.paused, ["name": .string(name)]))
        }
    }

    private static func agentReleased(_ condition: WorkspaceCondition) -> Transition? {
        switch condition.status {
        case .paused: move(.awaitingAgent, nil, .emit(.awaitingAgent, ["external": true]))
        case .provisioning, .online, .offline, .degraded, .failed, .removed, .hibernated, .hibernating, .awaitingAgent: nil
        }
    }

    private static func hibernationClaimed(_ condition: WorkspaceCondition) -> Transition? {
        switch condition.status {
        case .online, .degraded: move(.hibernating)
        case .provisioning, .offline, .failed, .removed, .paused, .hibernated, .hibernating, .awaitingAgent: nil
        }
    }

    private static func hibernationAbandoned(_ condition: WorkspaceCondition) -> Transition? {
        switch condition.status {
        case .hibernating: move(.online, nil, .emit(.online, [:]))
        case .provisioning, .online, .offline, .degraded, .failed, .removed, .paused, .hibernated, .awaitingAgent: nil
        }
    }

    private static func hibernationCompleted(_ condition: WorkspaceCondition, name: String, tier: Int) -> Transition? {
        switch condition.status {
        case .hibernating: move(.hibernated, nil, .clearAddress, .emit(.hibernated, ["name": .string(name), "tier": .int(tier)]))
        case .provisioning, .online, .offline, .degraded, .failed, .removed, .paused, .hibernated, .awaitingAgent: nil
        }
    }

    private static func removalRequested(_ condition: WorkspaceCondition) -> Transition? {
        switch condition.status {
        case .removed: nil
        case .provisioning, .online, .offline, .degraded, .failed, .paused, .hibernated, .hibernating, .awaitingAgent:
            move(.removed, nil, .revokeTokens, .clearAddress, .emit(.removed, [:]))
        }
    }
}

extension WorkspaceCondition {
    /// A wedge is the agent's own word: a beat that says it is over leaves it, whatever the error rate's hysteresis says.
    fileprivate func clearedWedge(by signal: BeatSignal) -> WorkspaceCondition? {
        self == WorkspaceCondition(.degraded, .wedged) && signal.wedged == false ? WorkspaceCondition(.online) : nil
    }
}
