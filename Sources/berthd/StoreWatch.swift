import Model

/// Asks the store regularly whether it still is the one that was opened, so that an operator reads of a lost database in the log and not
/// first from a failed request. The store itself stops writing at once.
struct StoreWatch: Sendable {
    let store: any StoreProbing
    let clock: any TimeSource
    let log: any LogSink

    func run(every interval: Duration, tick: @Sendable () -> Void) async throws {
        var known: ErrorCode?
        while true {
            var found: (any CodedError)?
            do {
                try await store.probe()
            } catch let error as any CodedError {
                found = error
            }
            if let found, found.code != known {
                log.error("the database is not well", ("code", found.code.rawValue), ("error", found.message), ("next", found.next ?? ""))
            } else if found == nil, known != nil {
                log.info("the database is well again")
            }
            known = found?.code
            tick()
            try await clock.sleep(for: interval)
        }
    }
}
