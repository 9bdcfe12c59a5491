import Dispatch
import Glibc

/// Programs that a command starts.
enum ChildProcess {
    struct Ended: Sendable {
        let exitCode: Int32
        /// What it wrote to standard output.
        let output: String
    }

    /// Runs to the end; standard error goes where ours goes. nil when it cannot be started.
    /// With `showing`, standard output goes to our standard error as it comes, and `Ended.output` is empty.
    static func run(_ arguments: [String], environment: [String: String], directory: String, showing: Bool = false) async -> Ended? {
        await withCheckedContinuation { continuation in
            // Waiting for a process blocks: not on the cooperative pool.
            DispatchQueue(label: "child-process").async {
                continuation.resume(returning: runBlocking(arguments, environment, directory, showing))
            }
        }
    }

    /// Starts a program that outlives us: a session of its own, no terminal, output appended to `log`. Returns its process id.
    static func detach(_ arguments: [String], environment: [String: String], directory: String, log: String) -> pid_t? {
        let output = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        let input = open("/dev/null", O_RDONLY | O_CLOEXEC)
        defer {
            close(output)
            close(input)
        }
        guard output >= 0, input >= 0 else { return nil }
        return spawn(arguments, environment, directory, standard: [input, output, output], newSession: true)
    }

    /// Whether a child of ours has ended. Collects it.
    static func hasEnded(_ pid: pid_t) -> Bool { waitpid(pid, nil, WNOHANG) != 0 }

    /// Libraries open descriptors without close-on-exec; a daemon must not hold ours for ever.
    private static func keepDescriptorsPrivate() { for descriptor in Int32(3)..<256 { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) } }

    /// glibc's POSIX_SPAWN_SETSID, which its headers show to GNU programs only.
    private static let startsSession: Int16 = 0x80

    private static func runBlocking(_ arguments: [String], _ environment: [String: String], _ directory: String, _ showing: Bool) -> Ended?
    {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { return nil }
        defer { close(ends[0]) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let pid = spawn(arguments, environment, directory, standard: [0, showing ? 2 : ends[1], 2], newSession: false)
        close(ends[1])
        guard let pid else { return nil }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 * 1024)
        while case let count = read(ends[0], &buffer, buffer.count), count > 0 { bytes += buffer[..<count] }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        let exitCode = status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
        return Ended(exitCode: exitCode, output: String(decoding: bytes, as: UTF8.self))
    }

    private static func spawn(
        _ arguments: [String], _ environment: [String: String], _ directory: String, standard: [Int32], newSession: Bool
    )
        -> pid_t?
    {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        keepDescriptorsPrivate()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        for (target, source) in standard.enumerated() where source != Int32(target) {
            posix_spawn_file_actions_adddup2(&actions, source, Int32(target))
        }
        if newSession { posix_spawnattr_setflags(&attributes, startsSession) }
        let inDirectory = ["/bin/sh", "-c", #"cd "$1" && shift && exec "$@""#, "sh", directory] + arguments
        var words = inDirectory.map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in words + variables { free(text) } }
        var pid: pid_t = 0
        return posix_spawn(&pid, inDirectory[0], &actions, &attributes, &words, &variables) == 0 ? pid : nil
    }
}
