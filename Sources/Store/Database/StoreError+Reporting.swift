internal import Model

extension StoreError {
    static let diskFull = StoreError(
        .diskFull, "the disk that holds the database is full; nothing was written", next: "Free some space there, then try again.")

    /// What a caller is told about `error`. A driver's message goes to the log and no further; while the database does not answer,
    /// nothing is known about anybody's rights, so every such failure is `platform_unavailable`.
    init(reporting error: any Error, to log: any LogSink) {
        switch error {
        case let error as StoreError: self = error
        case let error as any CodedError: self.init(error.code, error.message, next: error.next, details: error.details)
        case let failure as SQLFailure:
            if !failure.isLogged { log.error("the database did not do what was asked", ("cause", failure.message)) }
            self = failure.kind == .full ? .diskFull : .unavailable
        default:
            log.error("the database did not do what was asked", ("cause", "\(error)"))
            self = .unavailable
        }
    }
}
