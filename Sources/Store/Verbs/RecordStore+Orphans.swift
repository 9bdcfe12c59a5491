internal import Model

extension RecordStore {
    func installationSeenAt() async throws -> Timestamp { throw StoreError.unavailable }
    func statuses(of ids: [WorkspaceID]) async throws -> [WorkspaceID: WorkspaceStatus] { throw StoreError.unavailable }
    func orphans() async throws -> [Orphan] { throw StoreError.unavailable }
    func saveOrphans(_ saved: [Orphan], forgetting forgotten: [WorkspaceID], audit: [AuditEvent]) async throws {
        throw StoreError.unavailable
    }
    func adopt(_ adoption: NewWorkspace, audit: AuditEvent) async throws -> Bool { throw StoreError.unavailable }
    func auditEvents(after sequence: Int64, limit: Int) async throws -> [AuditEvent] { throw StoreError.unavailable }
}
