internal import Model

extension RecordStore {
    func trackedImages() async throws -> [TrackedImage] {
        try await database.read { try $0.run("\(ImageRow.select) ORDER BY reference").map(ImageRow.image) }
    }

    func trackedImage(_ reference: String) async throws -> TrackedImage? {
        try await database.read { try $0.run("\(ImageRow.select) WHERE reference = $1", [.text(reference)]).first.map(ImageRow.image) }
    }

    func save(_ image: TrackedImage, retired: [RetiredImage], audit: [AuditEvent]) async throws {
        try await database.write { transaction in
            try transaction.sql.run(ImageRow.save, ImageRow.values(image))
            try transaction.retire(retired)
            for event in audit { try transaction.append(event) }
        }
    }

    func forgetImage(_ reference: String, retired: [RetiredImage]) async throws {
        try await database.write { transaction in
            try transaction.sql.run("DELETE FROM images WHERE reference = $1", [.text(reference)])
            try transaction.retire(retired)
        }
    }

    func retiredImages() async throws -> [RetiredImage] {
        let rows = try await database.read { try $0.run("SELECT id, reference, digest, since FROM retired_images ORDER BY since, id") }
        return try rows.map { row in
            var reader = RowReader(row)
            let (id, reference, digest) = (reader.text(), reader.text(), reader.optionalText())
            guard let since = reader.time() else { throw RowReader.damaged }
            return RetiredImage(id: id, reference: reference, digest: digest, since: since)
        }
    }

    func forgetRetired(_ ids: [String], audit: [AuditEvent]) async throws {
        try await database.write { transaction in
            for id in ids.sorted() { try transaction.sql.run("DELETE FROM retired_images WHERE id = $1", [.text(id)]) }
            for event in audit { try transaction.append(event) }
        }
    }
}

// MARK: - Trying an image on a workspace

extension RecordStore {
    func beginTrial(of id: WorkspaceID, token: TokenDigest, keeping container: String) async throws -> Workspace? {
        try await database.write { transaction in
            guard var workspace = try transaction.lock(id), workspace.kept == nil,
                [.online, .degraded].contains(workspace.status)
            else { return nil }
            workspace.kept = KeptContainer(id: container, generation: workspace.generation)
            workspace.generation += 1
            return try transaction.restartProvision(of: workspace, token: token)
        }
    }

    func endTrial(of id: WorkspaceID) async throws {
        try await database.write { transaction in
            _ = try transaction.sql.run(
                "UPDATE workspaces SET kept_container_id = NULL, kept_generation = NULL, updated_at = $2 WHERE id = $1",
                [.text(id.text), .int(transaction.now.microseconds)])
        }
    }

    func returnToKept(_ kept: KeptContainer, of id: WorkspaceID, token: TokenDigest, version: ImageVersion?) async throws -> Workspace? {
        try await database.write { transaction in
            guard var workspace = try transaction.lock(id), workspace.kept == kept, workspace.status != .removed else { return nil }
            workspace.generation = kept.generation
            workspace.containerID = kept.id
            workspace.imageVersion = version
            workspace.kept = nil
            return try transaction.restartProvision(of: workspace, token: token)
        }
    }
}

extension Transaction {
    /// One that is noted already keeps its time.
    fileprivate func retire(_ images: [RetiredImage]) throws {
        for image in images {
            try sql.run(
                "INSERT INTO retired_images (id, reference, digest, since) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
                [.text(image.id), .text(image.reference), SQLValue(image.digest), .int(image.since.microseconds)])
        }
    }

    /// `workspace` is `provisioning` from now on, under `token` alone; one that rests goes on resting.
    fileprivate func restartProvision(of workspace: Workspace, token: TokenDigest) throws -> Workspace {
        var workspace = workspace
        workspace.updatedAt = now
        let rests = workspace.status == .paused || workspace.status == .hibernated
        if !rests { workspace.provisionStartedAt = now }
        if !rests, let transition = WorkspaceStatusMachine.apply(.provisionStarted, to: workspace.condition) {
            try carryOut(transition, on: &workspace)
        } else {
            try save(workspace)
        }
        try revokeTokens(of: workspace.id)
        try store(token, for: workspace)
        return workspace
    }
}
