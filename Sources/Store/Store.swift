public import Model

/// Where state is kept.
public enum StoreLocation: Sendable, Hashable {
    /// A file of SQLite's, made with mode 0600 when it is not there.
    case sqlite(path: String)
    /// A `postgres://` URL or a libpq connection string. It may hold a password and is never repeated in errors or logs.
    case postgres(url: String)
}

/// Ends a store.
public protocol StoreClosing: Sendable {
    /// Lets running verbs finish, then closes every connection. Verbs called later throw `platform_unavailable`.
    func close() async
}

/// What the database knows of this installation.
public protocol InstallationReading: Sendable {
    /// Whether the database had never seen this installation before this start: then it may be the wrong one, or an empty one in the
    /// place of one that was lost.
    var isNewInstallation: Bool { get }
}

/// All state verbs of one installation.
public typealias WorkspaceStore = ProvisionRecording & AgentRecording & EventReading & OrphanRecording & ImageRecording & StoreProbing
    & StoreClosing
    & InstallationReading

/// Opens the state, brings its schema up to date and writes down that `instance` uses it.
///
/// `onCommitted` receives every durable event after its commit, in the order of sequences within each workspace. It is called on a
/// database thread and must not wait.
///
/// Throws `StoreError`: `database_locked`, `database_newer`, `database_unreachable`, `database_invalid`, `database_foreign`,
/// `state_directory_unusable`.
public func openStore(
    _ location: StoreLocation, instance: InstanceID, sealer: any SecretSealing, clock: any TimeSource, random: any RandomSource,
    log: any LogSink, onCommitted: @escaping @Sendable ([WorkspaceEvent]) -> Void
) async throws -> any WorkspaceStore {
    let database: any Database
    switch location {
    case .sqlite(let path):
        database = try await SQLiteDatabase.open(path, clock: clock, log: log, onCommitted: onCommitted)
    case .postgres(let url):
        database = try await PostgresDatabase.open(url, clock: clock, random: random, log: log, onCommitted: onCommitted)
    }
    do {
        let isNew = try await database.write { try $0.introduce(instance) }
        return RecordStore(database: database, sealer: sealer, instance: instance, isNewInstallation: isNew)
    } catch {
        await database.close()
        throw error
    }
}
