import Model

/// Background work: one task for each piece, written down as an operation, alone in its workspace's lane.
extension WorkspaceProvisioner {
    /// Runs `body` in the background. It calls `running` when its turn has come and what it waits for is there.
    func work(
        _ kind: WorkspaceOperation.Kind, on id: WorkspaceID, reason: String? = nil,
        _ body: @escaping @Sendable (_ running: @escaping @Sendable () async -> Void) async -> WorkOutcome
    ) {
        jobs.start(id) {
            let operation = await self.open(kind, on: id, reason)
            let outcome = await self.lanes.run(id) {
                await body { await self.mark(operation, .running) }
            }
            await self.close(operation, outcome)
        }
    }

    /// Waits for `body` to end, or for the time a caller has; then it goes on without the caller, and nil is returned.
    func attend(
        _ kind: WorkspaceOperation.Kind, on id: WorkspaceID, _ body: @escaping @Sendable () async -> ErrorCode?
    ) async -> ErrorCode? {
        let answer = await waiting(atMost: settings.deleteTimeout, on: clock) {
            let operation = await self.open(kind, on: id, nil)
            await self.mark(operation, .running)
            let code = await body()
            await self.close(operation, code.map { .failed($0, "it is tried again") } ?? .succeeded)
            return code
        }
        return if let answer { answer } else { .engineTimeout }
    }

    // An operation tells what happened; that it cannot be told is no reason not to do it.

    func open(_ kind: WorkspaceOperation.Kind, on id: WorkspaceID, _ reason: String?) async -> Int64? {
        do {
            return try await unbroken { [records] in try await records.openOperation(kind, on: id, reason: reason) }
        } catch {
            log.debug("operation not written down", ("workspace", id.text), ("error", String(describing: error)))
            return nil
        }
    }

    func mark(
        _ operation: Int64?, _ state: WorkspaceOperation.State, code: ErrorCode? = nil, reason: String? = nil
    ) async {
        guard let operation else { return }
        do {
            try await unbroken { [records] in try await records.markOperation(operation, state, code: code, reason: reason) }
        } catch {
            log.debug("operation not written down", ("operation", String(operation)), ("error", String(describing: error)))
        }
    }

    func close(_ operation: Int64?, _ outcome: WorkOutcome) async {
        switch outcome {
        case .succeeded: await mark(operation, .succeeded)
        case .cancelled: await mark(operation, .cancelled)
        case .interrupted: await mark(operation, .interrupted)
        case .failed(let code, let reason): await mark(operation, .failed, code: code, reason: reason)
        }
    }
}
