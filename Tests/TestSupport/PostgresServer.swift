internal import CSpawn
import Dispatch
import Glibc
import Synchronization

/// A PostgreSQL of a test run's own: its data lie in a temporary directory, it listens on a unix socket there and on no port. A shell
/// watches over it and stops it when this process ends, however it ends.
public final class PostgresServer: Sendable {
    public static let binaries = "/usr/lib/postgresql/15/bin"
    public static let isInstalled = access("\(binaries)/postgres", X_OK) == 0

    /// Every store of a test run's holds up to five connections, and tests run side by side.
    private static let room = "-c max_connections=600"

    private let directory: String
    private let settings: String
    private let supervisor = Mutex<Supervisor?>(nil)
    private let databaseCount = Mutex(0)

    private struct Supervisor {
        let process: pid_t
        /// The server stops when this is closed, and its data go with it unless the word `keep` was written first.
        let leash: Int32
    }

    public struct StartFailed: Error, CustomStringConvertible {
        public let description: String
    }

    /// The server most tests share; started by the first that asks.
    public static func shared() async throws -> PostgresServer { try await sharedStart.value }

    private static let sharedStart = Task { try await PostgresServer.start() }

    /// `durable: false` leaves out the waits for the disk: the state need not survive the machine.
    public static func start(durable: Bool = false) async throws -> PostgresServer {
        let server = try PostgresServer(durable: durable)
        try await server.restart()
        return server
    }

    private init(durable: Bool) throws {
        var template = Array("/tmp/berth-postgres-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw StartFailed(description: "no temporary directory: errno \(errno)") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        settings = durable ? "" : "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        guard getuid() == 0 else { return }
        guard let owner = Self.unprivilegedUser, chown(directory, owner.uid, owner.gid) == 0 else {
            throw StartFailed(description: "no unprivileged user to run PostgreSQL as")
        }
    }

    deinit {
        supervisor.withLock { $0.map { _ = close($0.leash) } }
    }

    /// A connection URL for a database made for the caller alone.
    public func makeDatabase() async throws -> String {
        let name = databaseCount.withLock { count in
            count += 1
            return "test_\(count)"
        }
        _ = try await run("\(Self.binaries)/createdb -h \(directory) -U postgres \(name)")
        return "postgres://postgres@/\(name)?host=\(directory)"
    }

    /// What psql prints for `query`.
    public func psql(_ url: String, _ query: String) async throws -> String {
        try await run("\(Self.binaries)/psql -X -A -t -v ON_ERROR_STOP=1 '\(url)' <<'END'\n\(query)\nEND\n")
    }

    /// Ends the server as a fast shutdown does: sessions are cut, committed work stays. Returns when it is gone.
    public func stop() async {
        await end(saying: "keep\n")
    }

    /// Stops the server and removes its data, as the end of this process does, too.
    public func remove() async { await end(saying: "") }

    private func end(saying word: String) async {
        guard let running = supervisor.withLock({ $0.take() }) else { return }
        _ = write(running.leash, word, word.utf8.count)
        close(running.leash)
        await onThread { _ = Self.wait(for: running.process) }
    }

    /// Starts the server on the data it has. Returns when it takes connections.
    public func restart() async throws {
        // Without the trap a test run that ends while the server starts would take the shell with it and leave the server.
        let script = """
            trap '' PIPE
            cd \(directory)
            PATH=\(Self.binaries):$PATH
            [ -d data ] || initdb -D data -A trust -U postgres --no-sync >initdb.log 2>&1 || { cat initdb.log; exit 1; }
            pg_ctl -D data -w -s -l server.log -o "-k \(directory) -c listen_addresses= \(Self.room) \(settings)" start >start.log 2>&1 || { cat server.log; exit 1; }
            echo ready
            read -r word
            pg_ctl -D data -w -s -m fast stop
            [ "$word" = keep ] || rm -rf \(directory)
            """
        let (started, output) = try Self.spawn(script)
        let said = await onThread { Self.readLine(from: output) }
        close(output)
        guard said == "ready" else { throw StartFailed(description: "PostgreSQL did not start: \(said)") }
        supervisor.withLock { $0 = started }
    }

    private func run(_ command: String) async throws -> String {
        let (started, output) = try Self.spawn("exec 2>&1\n\(command)")
        let (said, status) = await onThread { (Self.readAll(from: output), Self.wait(for: started.process)) }
        close(output)
        close(started.leash)
        guard status == 0 else { throw StartFailed(description: "\(command): \(said)") }
        return said
    }

    /// A shell, as the unprivileged user when we are root, with a pipe into it and one out of it.
    private static func spawn(_ script: String) throws -> (Supervisor, output: Int32) {
        var (input, output): ([Int32], [Int32]) = ([0, 0], [0, 0])
        guard pipe(&input) == 0, pipe(&output) == 0 else { throw StartFailed(description: "no pipe: errno \(errno)") }
        for end in input + output { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input[0], 0)
        posix_spawn_file_actions_adddup2(&actions, output[1], 1)
        // Else a pipe that another thread is just making stays open as long as the server runs, and whoever reads it never sees its end.
        posix_spawn_file_actions_addclosefrom_np(&actions, 3)
        var arguments = ["sh", "-c", script]
        if getuid() == 0, let owner = unprivilegedUser {
            arguments = ["setpriv", "--reuid=\(owner.uid)", "--regid=\(owner.gid)", "--clear-groups", "--"] + arguments
        }
        var process: pid_t = 0
        let status = withCStrings(arguments) { posix_spawnp(&process, arguments[0], &actions, nil, $0, environ) }
        close(input[0])
        close(output[1])
        guard status == 0 else { throw StartFailed(description: "cannot run \(arguments[0]): errno \(status)") }
        return (Supervisor(process: process, leash: input[1]), output[0])
    }

    private static var unprivilegedUser: (uid: uid_t, gid: gid_t)? {
        for name in ["postgres", "nobody"] {
            if let found = getpwnam(name) { return (found.pointee.pw_uid, found.pointee.pw_gid) }
        }
        return nil
    }

    private static func readLine(from descriptor: Int32) -> String {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while read(descriptor, &byte, 1) == 1, byte != UInt8(ascii: "\n") { line.append(byte) }
        return String(decoding: line, as: UTF8.self)
    }

    private static func readAll(from descriptor: Int32) -> String {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while case let count = read(descriptor, &buffer, buffer.count), count > 0 { all += buffer.prefix(count) }
        return String(decoding: all, as: UTF8.self)
    }

    private static func wait(for process: pid_t) -> Int32 {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        return status
    }
}

private func withCStrings<Result>(_ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result) -> Result {
    let copies = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return body(copies + [nil])
}

/// Runs blocking work off the cooperative pool.
private func onThread<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
        DispatchQueue.global().async { continuation.resume(returning: work()) }
    }
}
