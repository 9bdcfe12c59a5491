internal import HTTP
internal import Model

/// Why a call to the engine gave no answer that can be used. Never leaves this module: `BackendError` is what callers see,
/// and the engine's own words (`body`) go to the log only.
enum EngineError: Error, Sendable, Equatable {
    /// No answer: not there, not allowed, too slow, or it broke off.
    case unreachable(TransportError)
    /// We have no version in common.
    case tooOld(engine: APIVersion)
    case tooNew(engine: APIVersion)
    /// It answered with a status that is not success for this call.
    case refused(status: Int, body: [UInt8])
    /// It answered with success, but with something we cannot read.
    case unreadable(String, body: [UInt8])
}

extension EngineError {
    /// The engine's own words, shortened, for the log.
    var rawBody: String {
        switch self {
        case .unreachable(let error): "\(error.reason.rawValue) \(error.detail)"
        case .tooOld(let version), .tooNew(let version): "engine speaks \(version)"
        case .refused(_, let body), .unreadable(_, let body): String(decoding: body.prefix(2048), as: UTF8.self)
        }
    }

    var status: Int? { if case .refused(let status, _) = self { status } else { nil } }
}

extension BackendError {
    /// What a failure means that does not depend on the call; a refused call is explained by its endpoint.
    init(_ error: EngineError, meaning: (Int) -> BackendError) {
        switch error {
        case .unreachable(let failure): self = BackendError(failure)
        case .tooOld(let version):
            self = BackendError(
                .refused, .engineTooOld,
                "The Docker engine is too old: it speaks API \(version), berthd needs \(APIVersion.oldest) or newer.",
                next: "Upgrade the engine to Docker 20.10 or newer.", details: ["engine_api_version": .string(version.description)])
        case .tooNew(let version):
            self = BackendError(
                .refused, .engineTooNew,
                "The Docker engine is too new: it wants API \(version) or newer, berthd speaks up to \(APIVersion.newest).",
                next: "Upgrade Berth, or let the engine accept older clients.",
                details: ["engine_api_version": .string(version.description)])
        case .refused(let status, _): self = meaning(status)
        case .unreadable(let what, _):
            self = BackendError(.failed, .engineError, "The Docker engine's answer could not be read: \(what).", next: Self.seeLog)
        }
    }

    private init(_ failure: TransportError) {
        switch failure.reason {
        case .permissionDenied:
            self = BackendError(
                .unavailable, .enginePermissionDenied, "berthd may not open the Docker engine's socket.",
                next: "Run berthd as a member of the group that owns the socket (usually `docker`), then start it again.")
        case .connectTimeout, .headTimeout, .stalled, .totalTimeout:
            self = BackendError(
                .unavailable, .engineTimeout, "The Docker engine did not answer in time.",
                next: "Look at the engine's load and log; berthd goes on trying.")
        case .socketMissing, .connectionRefused, .cannotResolve, .connectionReset, .addressNotAllowed, .tls, .invalidURL, .cancelled,
            .other:
            self = .engineUnavailable
        }
    }

    static let seeLog = "See berthd's log for the engine's own words."

    /// The engine is not there, or went away.
    static let engineUnavailable = BackendError(
        .unavailable, .engineUnavailable, "The Docker engine cannot be reached.",
        next: "Start the engine (`make up` does), or set DOCKER_HOST to the unix socket of a running one.")

    /// What a status means for any call that has nothing better to say. `doing` completes "The Docker engine could not …".
    static func general(_ status: Int, doing: String, _ code: ErrorCode = .engineError) -> BackendError {
        let kind: Kind =
            switch status {
            case 404: .missing
            case 409: .conflict
            case 400..<500: .refused
            default: .failed
            }
        return BackendError(kind, code, "The Docker engine could not \(doing).", next: seeLog)
    }
}
