/// Where time comes from. Nothing below `berthd` reads a clock of its own.
public protocol TimeSource: Sendable {
    func now() -> Timestamp
    /// Returns after `duration`, or throws `CancellationError` when the task is cancelled first.
    func sleep(for duration: Duration) async throws
}

/// Where random bytes come from.
public protocol RandomSource: Sendable {
    func bytes(_ count: Int) -> [UInt8]
}

/// Where log lines go. Levels are the usual ones; fields are written as `key=value`.
public protocol LogSink: Sendable {
    func log(_ level: LogLevel, _ message: String, _ fields: [(String, String)])
}

public enum LogLevel: String, Sendable, CaseIterable, Comparable {
    case debug, info, warning, error

    public static func < (left: LogLevel, right: LogLevel) -> Bool {
        (allCases.firstIndex(of: left) ?? 0) < (allCases.firstIndex(of: right) ?? 0)
    }
}

extension LogSink {
    public func debug(_ message: String, _ fields: (String, String)...) { log(.debug, message, fields) }
    public func info(_ message: String, _ fields: (String, String)...) { log(.info, message, fields) }
    public func warning(_ message: String, _ fields: (String, String)...) { log(.warning, message, fields) }
    public func error(_ message: String, _ fields: (String, String)...) { log(.error, message, fields) }
}
