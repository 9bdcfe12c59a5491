import HTTP
import Model

/// The one place where an error becomes an answer. Shape: `docs/errors.md`.
enum ErrorReply {
    static func response(_ error: any CodedError) -> Response {
        var body = error.report
        // Where existing clients look for them.
        if error.code == .workspaceRemoved { body["deleted"] = true }
        if let known = error.details["known_runtimes"] { body["known_runtimes"] = known }
        return .json(status(of: error.code), .object(body))
    }

    /// Says what an error means to HTTP. A new code does not compile until somebody has decided.
    static func status(of code: ErrorCode) -> Int {
        switch code {
        case .invalidRequest, .invalidWorkspaceID, .invalidField, .invalidJSON, .unsafeURL: 400
        case .templateNotFound, .templateInvalid, .runtimeUnknown, .envMissing, .envReserved, .configMissing: 400
        case .adminAuthRequired, .adminAuthInvalid, .workspaceAuthRequired, .workspaceAuthInvalid: 401
        case .budgetExceeded: 402
        case .callerInvalid, .accessDenied, .tierNotAllowed, .fieldForbidden: 403
        case .notFound, .workspaceNotFound, .containerMissing, .pathMissing, .wrongState, .orphanNotFound: 404
        case .methodNotAllowed: 405
        case .confirmationRequired, .staleGeneration, .nameConflict, .portConflict, .volumeInUse, .containerNotRunning: 409
        case .parentPaused, .parentCycle, .tasksActive, .externalWorkspace, .orphanNotQuarantined, .orphanHasNoContainer: 409
        case .imageUnproven, .noPreviousImage, .rolledBack: 409
        case .workspaceRemoved: 410
        case .payloadTooLarge: 413
        case .internalError, .stopFailed, .engineRequestInvalid, .secretsUnreadable: 500
        case .imageNotFound, .commandNotFound, .startFailed, .copyFailed, .containerExited, .outOfMemory, .crashLoop: 500
        case .provisionCancelled, .provisionInterrupted, .agentSilent, .bootstrapFailed: 500
        case .secretsKeyInvalid, .stateDirectoryUnusable, .configurationInvalid, .portTaken, .alreadyRunning: 500
        case .imageDamaged, .registryLoginFailed, .registryUnknown, .registryUnreachable, .registryError: 502
        case .engineError, .pullDenied, .pullFailed, .agentUnreachable, .agentResponseInvalid, .agentResponseTooLarge: 502
        case .shuttingDown, .workspaceUnavailable, .agentBusy, .platformUnavailable: 503
        case .rateLimited: 503
        case .engineUnavailable, .enginePermissionDenied, .engineTooOld, .engineTooNew, .networkMissing: 503
        case .databaseLocked, .databaseNewer, .databaseUnreachable, .databaseInvalid, .databaseLost, .databaseForeign: 503
        case .engineTimeout, .pullStalled, .registerTimeout: 504
        case .diskFull: 507
        }
    }
}

extension Response {
    static func json(_ status: Int, _ body: JSONValue) -> Response {
        Response(status: status, headers: ["Content-Type": "application/json; charset=utf-8"], body: .bytes(body.bytes))
    }
}
