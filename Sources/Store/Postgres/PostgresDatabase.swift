internal import Model

final class PostgresDatabase: Database {
    let dialect = SQLDialect.postgres
    static func open(
        _ url: String, clock: any TimeSource, random: any RandomSource, log: any LogSink,
        onCommitted: @escaping @Sendable ([WorkspaceEvent]) -> Void
    )
        async throws -> PostgresDatabase
    { throw StoreError.unavailable }
    func read<Value: Sendable>(_ body: @escaping @Sendable (any SQLConnection) throws -> Value) async throws -> Value {
        throw StoreError.unavailable
    }
    func write<Value: Sendable>(_ body: @escaping @Sendable (Transaction) throws -> Value) async throws -> Value {
        throw StoreError.unavailable
    }
    func applyBeat(_ beat: Beat) async throws -> BeatRecord? { nil }
    func probe() async throws {}
    func close() async {}
}
