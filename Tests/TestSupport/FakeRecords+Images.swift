public import Model

extension FakeRecords: ImageRecording {
    public func trackedImages() async throws -> [TrackedImage] {
        try await transact("trackedImages") { $0.images.values.sorted { $0.reference < $1.reference } }
    }

    public func trackedImage(_ reference: String) async throws -> TrackedImage? {
        try await transact("trackedImage") { $0.images[reference] }
    }

    public func save(_ image: TrackedImage, retired: [RetiredImage], audit: [AuditEvent]) async throws {
        try await transact("saveImage") { state in
            state.images[image.reference] = image
            for image in retired where state.retired[image.id] == nil { state.retired[image.id] = image }
            for event in audit { state.append(event) }
        }
    }

    public func forgetImage(_ reference: String, retired: [RetiredImage]) async throws {
        try await transact("forgetImage") { state in
            state.images[reference] = nil
            for image in retired where state.retired[image.id] == nil { state.retired[image.id] = image }
        }
    }

    public func retiredImages() async throws -> [RetiredImage] {
        try await transact("retiredImages") { $0.retired.values.sorted { ($0.since, $0.id) < ($1.since, $1.id) } }
    }

    public func forgetRetired(_ ids: [String], audit: [AuditEvent]) async throws {
        try await transact("forgetRetired") { state in
            for id in ids { state.retired[id] = nil }
            for event in audit { state.append(event) }
        }
    }
}

extension FakeRecords {
    public func beginTrial(of id: WorkspaceID, token: TokenDigest, keeping container: String) async throws -> Workspace? {
        try await transact("beginTrial") { [self] state in
            guard let row = state.rows[id], row.kept == nil, [.online, .degraded].contains(row.status) else { return nil }
            state.rows[id]?.kept = KeptContainer(id: container, generation: row.generation)
            state.rows[id]?.generation += 1
            state.restartProvision(of: id, token, at: clock.now())
            return state.rows[id]
        }
    }

    public func endTrial(of id: WorkspaceID) async throws {
        try await transact("endTrial") { $0.rows[id]?.kept = nil }
    }

    public func returnToKept(
        _ kept: KeptContainer, of id: WorkspaceID, token: TokenDigest, version: ImageVersion?
    ) async throws -> Workspace? {
        try await transact("returnToKept") { [self] state in
            guard let row = state.rows[id], row.kept == kept, row.status != .removed else { return nil }
            state.rows[id]?.generation = kept.generation
            state.rows[id]?.containerID = kept.id
            state.rows[id]?.imageVersion = version
            state.rows[id]?.kept = nil
            state.restartProvision(of: id, token, at: clock.now())
            return state.rows[id]
        }
    }
}

extension FakeRecords.State {
    fileprivate mutating func restartProvision(of id: WorkspaceID, _ token: TokenDigest, at now: Timestamp) {
        guard let row = rows[id] else { return }
        let rests = row.status == .paused || row.status == .hibernated
        if !rests { rows[id]?.provisionStartedAt = now }
        if !rests, let transition = WorkspaceStatusMachine.apply(.provisionStarted, to: row.condition) {
            carryOut(transition, on: id, at: now)
        }
        revokeTokens(of: id)
        tokens[token.hash] = FakeRecords.Token(workspace: id, generation: row.generation)
    }
}
