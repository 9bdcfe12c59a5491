import Glibc
import Model

/// The `berthd` of one state directory, as a process.
struct DaemonProcess: Sendable {
    let stateDirectory: String

    /// The process id of a running daemon of this state directory: from its pid file, and only when that process is a `berthd`.
    var runningID: pid_t? {
        guard let text = Machine.text(StateFile.processID.path(in: stateDirectory)),
            let pid = text.split(whereSeparator: \.isWhitespace).first.flatMap({ pid_t($0) }), pid > 1, isBerthd(pid)
        else { return nil }
        return pid
    }

    /// Whether the program of the running daemon has been replaced on disk since it was started.
    var isOutdated: Bool { runningID.flatMap(Self.program)?.hasSuffix(Self.deletedMark) ?? false }

    /// Asks the daemon to stop and waits. False when it is still there after `seconds`.
    func stop(_ pid: pid_t, within seconds: Int = 30) async throws -> Bool {
        kill(pid, SIGTERM)
        for _ in 0..<(seconds * 20) {
            if !isBerthd(pid) { return true }
            try await Task.sleep(for: .milliseconds(50))
        }
        return !isBerthd(pid)
    }

    /// A recycled process id must never be signalled.
    private func isBerthd(_ pid: pid_t) -> Bool {
        guard var program = Self.program(pid) else { return false }
        if program.hasSuffix(Self.deletedMark) { program.removeLast(Self.deletedMark.count) }
        return program.hasSuffix("/berthd")
    }

    private static let deletedMark = " (deleted)"
    private static func program(_ pid: pid_t) -> String? { Machine.link("/proc/\(pid)/exe") }
}
