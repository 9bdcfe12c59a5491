import Glibc
import Model

/// The state directory, held by this process alone for as long as it lives.
final class StateHome: Sendable {
    let path: String
    private let lock: Int32

    /// Makes the directory (0700) when it is missing and locks it. Throws `already_running` when another daemon holds it.
    init(path: String) throws {
        try Self.makeDirectory(path)
        self.path = path
        let pidFile = StateFile.processID.path(in: path)
        lock = open(pidFile, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else { throw PrivateFile.unusable(pidFile, "write") }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            close(lock)
            let holder = (try? PrivateFile.text(pidFile)).flatMap { $0 } ?? "unknown"
            throw Failure(
                .alreadyRunning, "another berthd (pid \(holder)) uses \(path)",
                next: "Stop it first, or give this one a STATE_DIR of its own.")
        }
        ftruncate(lock, 0)
        let text = Array("\(getpid())\n".utf8)
        guard write(lock, text, text.count) == text.count else { throw PrivateFile.unusable(pidFile, "write") }
    }

    /// Removes the pid file; the lock goes with the process.
    func release() {
        unlink(StateFile.processID.path(in: path))
        close(lock)
    }

    private static func makeDirectory(_ path: String) throws {
        var prefix = ""
        for part in path.split(separator: "/") {
            prefix += "/" + part
            if mkdir(prefix, 0o700) != 0, errno != EEXIST { throw PrivateFile.unusable(prefix, "create") }
        }
        guard access(path, R_OK | W_OK | X_OK) == 0 else { throw PrivateFile.unusable(path, "write") }
    }
}
