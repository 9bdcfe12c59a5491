import CSpawn
import Glibc

/// Why a command was not started.
struct SpawnError: Error, Equatable {
    let reason: String

    init(_ number: Int32) { reason = String(cString: strerror(number)) }
}

/// A started child with our ends of its pipes, all non-blocking and closed with this value.
struct SpawnedChild: ~Copyable {
    let pid: pid_t
    private(set) var input: Int32
    let output: Int32
    let errors: Int32

    init(_ arguments: [String]) throws(SpawnError) {
        let input = try Pipe()
        let output = try Pipe()
        let errors = try Pipe()
        pid = try Self.spawn(arguments, input: input.reader, output: output.writer, errors: errors.writer)
        close(input.reader)
        close(output.writer)
        close(errors.writer)
        self.input = input.writer
        self.output = output.reader
        self.errors = errors.reader
        for descriptor in [input.writer, output.reader, errors.reader] { Self.setNonBlocking(descriptor) }
    }

    deinit {
        for descriptor in [input, output, errors] where descriptor >= 0 { close(descriptor) }
    }

    mutating func closeInput() {
        close(input)
        input = -1
    }

    /// Ends the child and everything it started.
    func kill() { _ = Glibc.kill(-pid, SIGKILL) }

    private struct Pipe {
        let reader: Int32
        let writer: Int32

        init() throws(SpawnError) {
            var ends: [Int32] = [-1, -1]
            guard pipe2(&ends, Int32(O_CLOEXEC)) == 0 else { throw SpawnError(errno) }
            (reader, writer) = (ends[0], ends[1])
        }
    }

    private static func setNonBlocking(_ descriptor: Int32) { _ = fcntl(descriptor, F_SETFL, O_NONBLOCK) }

    private static func spawn(_ arguments: [String], input: Int32, output: Int32, errors: Int32) throws(SpawnError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO)
        // The listener's and the platform's sockets are none of the command's business.
        posix_spawn_file_actions_addclosefrom_np(&actions, 3)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // The agent ignores some signals and Dispatch blocks others; a command starts with none of that, in a group of its own.
        var all = sigset_t()
        sigfillset(&all)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))

        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var pid = pid_t()
        let failure = posix_spawnp(&pid, arguments[0], &actions, &attributes, &pointers, environ)
        guard failure == 0 else { throw SpawnError(failure) }
        return pid
    }
}
