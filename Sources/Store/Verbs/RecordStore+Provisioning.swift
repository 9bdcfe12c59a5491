internal import Model

extension RecordStore {
    func insert(_ new: NewWorkspace) async throws -> Workspace {
        let row = try sealed(new)
        return try await database.write { transaction in
            if let parent = row.workspace.parentID {
                try transaction.keepFamilies()
                try Ancestry.checkPlace(of: row.workspace, below: parent, row: transaction.sql.workspace)
            }
            try transaction.sql.run(WorkspaceRow.insert, WorkspaceRow.values(row.workspace))
            try transaction.storeBelongings(of: row)
            try transaction.emitAll(of: row)
            return row.workspace
        }
    }

    /// Ready for the database thread.
    func sealed(_ new: NewWorkspace) throws -> SealedWorkspace {
        let id = new.workspace.id
        return SealedWorkspace(
            workspace: new.workspace,
            secrets: try sealed(new.secrets, kind: .environment, for: id) + sealed(new.secretFiles, kind: .file, for: id),
            token: new.token, events: new.events.map { SealedWorkspace.Event(kind: $0.kind, payload: $0.payload) })
    }

    func secrets(of id: WorkspaceID) async throws -> WorkspaceSecrets {
        let rows = try await database.read { sql in
            try sql.run("SELECT kind, name, sealed FROM workspace_secrets WHERE workspace_id = $1 ORDER BY kind, name", [.text(id.text)])
        }
        var secrets = WorkspaceSecrets()
        for row in rows {
            guard let kind = row[0].text.flatMap(SecretKind.init(rawValue:)), let name = row[1].text, let bytes = row[2].bytes else {
                throw RowReader.damaged
            }
            let value = try open(bytes, kind: kind, name: name, for: id)
            switch kind {
            case .environment: secrets.environment[name] = value
            case .file: secrets.files[name] = value
            }
        }
        return secrets
    }

    func recordContainer(_ containerID: String, version: ImageVersion?, for id: WorkspaceID, generation: Int) async throws {
        try await database.write { transaction in
            _ = try transaction.sql.run(
                """
                UPDATE workspaces SET container_id = $3, image_id = $4, image_digest = $5, updated_at = $6
                WHERE id = $1 AND generation = $2
                """,
                [
                    .text(id.text), SQLValue(generation), .text(containerID), SQLValue(version?.id), SQLValue(version?.digest),
                    .int(transaction.now.microseconds),
                ])
        }
    }

    func recordAddress(_ url: String?, for id: WorkspaceID, generation: Int) async throws {
        try await database.write { transaction in
            _ = try transaction.sql.run(
                "UPDATE workspaces SET url = $3, updated_at = $4 WHERE id = $1 AND generation = $2 AND status <> 'removed'",
                [.text(id.text), SQLValue(generation), SQLValue(url), .int(transaction.now.microseconds)])
        }
    }

    func append(_ events: [(kind: EventKind, payload: JSONObject)], to id: WorkspaceID) async throws {
        try await database.write { transaction in
            for event in events { try transaction.emit(event.kind, event.payload, for: id) }
        }
    }

    func apply(_ event: LifecycleEvent, failure: WorkspaceFailure?, to id: WorkspaceID, generation: Int?) async throws -> Workspace? {
        try await database.write { transaction in
            guard var workspace = try transaction.lock(id), generation == nil || generation == workspace.generation else { return nil }
            guard let transition = WorkspaceStatusMachine.apply(event, to: workspace.condition) else { return nil }
            if let failure {
                workspace.failure = failure
                workspace.lastSampleError = failure.message
            }
            try transaction.carryOut(transition, on: &workspace)
            return workspace
        }
    }

    func setPendingCleanup(_ pending: Bool, for id: WorkspaceID) async throws {
        try await database.write { transaction in
            _ = try transaction.sql.run(
                "UPDATE workspaces SET pending_cleanup = $2, updated_at = $3 WHERE id = $1",
                [.text(id.text), SQLValue(pending), .int(transaction.now.microseconds)])
        }
    }
}

/// A new row on its way to the database thread.
struct SealedWorkspace: Sendable {
    struct Event: Sendable {
        let kind: EventKind
        let payload: JSONObject
    }

    let workspace: Workspace
    let secrets: [SealedSecret]
    let token: TokenDigest?
    let events: [Event]
}

extension Transaction {
    func storeBelongings(of row: SealedWorkspace) throws {
        for secret in row.secrets { try store(secret, for: row.workspace.id) }
        if let token = row.token { try store(token, for: row.workspace) }
    }

    func emitAll(of row: SealedWorkspace) throws {
        for event in row.events { try emit(event.kind, event.payload, for: row.workspace.id) }
    }

    /// Writes a move of the status machine: the row with its new condition, then what the move demands.
    func carryOut(
        _ transition: WorkspaceStatusMachine.Transition, on workspace: inout Workspace, addingToPayload extra: JSONObject = [:]
    ) throws {
        workspace.condition = transition.to
        workspace.updatedAt = now
        if transition.to.status != .failed { workspace.failure = nil }
        if transition.actions.contains(.clearAddress) { workspace.url = nil }
        try save(workspace)
        for action in transition.actions {
            switch action {
            case .clearAddress: break
            case .revokeTokens: try revokeTokens(of: workspace.id)
            case .emit(let kind, let payload):
                try emit(kind, payload.merged(with: kind.facts(of: workspace)).merged(with: extra), for: workspace.id)
            }
        }
    }
}

extension EventKind {
    /// What the row adds to an event that the machine, which knows no rows, leaves empty.
    fileprivate func facts(of workspace: Workspace) -> JSONObject {
        guard self == .provisioning else { return [:] }
        return ["name": .string(workspace.name), "tier": .int(workspace.tier), "runtime": .string(workspace.runtime)]
    }
}

extension JSONObject {
    fileprivate func merged(with other: JSONObject) -> JSONObject {
        var merged = self
        for member in other.members { merged[member.key] = member.value }
        return merged
    }
}
