import Glibc
import Model

/// The machine's clock.
struct SystemClock: TimeSource {
    func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }

    func sleep(for duration: Duration) async throws { try await Task.sleep(for: duration) }
}

/// The kernel's random bytes, in one call for the few that an id needs.
struct SystemRandom: RandomSource {
    func bytes(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        // It gives at most 256 bytes at a time and fails for no other reason.
        for start in stride(from: 0, to: count, by: 256) {
            let failed = bytes.withUnsafeMutableBytes { getentropy($0.baseAddress.map { $0 + start }, min(256, count - start)) }
            precondition(failed == 0, "the kernel gave no random bytes")
        }
        return bytes
    }
}

/// Log lines on standard error, where the engine collects them.
struct StandardErrorLog: LogSink {
    let clock: any TimeSource

    func log(_ level: LogLevel, _ message: String, _ fields: [(String, String)]) {
        let line = ([clock.now().rfc3339, level.rawValue, message] + fields.map { "\($0.0)=\($0.1)" }).joined(separator: " ") + "\n"
        let bytes = Array(line.utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }
}
