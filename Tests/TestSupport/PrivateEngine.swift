internal import CSpawn
internal import Glibc

/// A Docker engine of one test's own (`scripts/engine.sh private`), to be killed, restarted or filled up. Needs root.
/// Call `stop` at the end: it takes containers, mounts and the directory away.
public final class PrivateEngine: Sendable {
    public static let isPossible = geteuid() == 0

    public let socketPath: String
    private let directory: String

    public struct ScriptFailed: Error, CustomStringConvertible {
        public let description: String
    }

    /// - Parameter diskMegabytes: the engine's data lie on a disk of this size; nil means the host's own.
    public static func start(diskMegabytes: Int? = nil) async throws -> PrivateEngine {
        var template = Array("/tmp/berth-engine-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw ScriptFailed(description: "no temporary directory: errno \(errno)") }
        let engine = PrivateEngine(String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
        do {
            if let diskMegabytes {
                let root = "\(engine.directory)/root"
                guard mkdir(root, 0o711) == 0, mount("tmpfs", root, "tmpfs", 0, "size=\(diskMegabytes)m") == 0 else {
                    throw ScriptFailed(description: "no disk of its own: errno \(errno)")
                }
            }
            try await engine.restart()
        } catch {
            try await engine.stop()
            throw error
        }
        return engine
    }

    private init(_ directory: String) {
        self.directory = directory
        socketPath = directory + "/docker.sock"
    }

    /// SIGKILL, as a crash. Containers stay.
    public func kill() async throws { try await script("kill") }

    public func restart() async throws { try await script("start") }

    public func stop() async throws {
        try await script("stop")
        try await Self.run(["/bin/rm", "-rf", "--one-file-system", directory])
    }

    private func script(_ verb: String) async throws {
        let tests = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        try await Self.run(["/bin/bash", "/\(tests)/scripts/engine.sh", "private", verb, directory])
    }

    /// Waits on a thread of its own: the script takes seconds.
    private static func run(_ arguments: [String]) async throws {
        let status: Int32 = await withCheckedContinuation { continuation in
            BlockingThread.run { continuation.resume(returning: spawn(arguments)) }
        }
        guard status == 0 else { throw ScriptFailed(description: "\(arguments.joined(separator: " ")) ended with \(status)") }
    }

    private static func spawn(_ arguments: [String]) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addclosefrom_np(&actions, 3)
        let words = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var process = pid_t()
        guard posix_spawn(&process, arguments[0], &actions, nil, words, environ) == 0 else { return -1 }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
        return status
    }
}
