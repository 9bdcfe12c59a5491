import Glibc
import Model

/// One line per entry on standard error: time, level, message, then `key=value` fields. A line is written whole or not at all.
struct StandardErrorLog: LogSink {
    let threshold: LogLevel
    let clock: any TimeSource

    func log(_ level: LogLevel, _ message: String, _ fields: [(String, String)]) {
        guard level >= threshold else { return }
        var line = "\(clock.now().rfc3339) \(level.rawValue.uppercased()) \(message)"
        for (key, value) in fields { line += " \(key)=\(Self.quoted(value))" }
        let bytes = Array((Self.singleLine(line) + "\n").utf8)
        _ = bytes.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
    }

    private static func quoted(_ value: String) -> String {
        let plain = !value.isEmpty && !value.contains { $0 == " " || $0 == "\"" || $0 == "=" || $0.isNewline }
        return plain ? value : JSONValue.string(value).text
    }

    /// What a caller sent cannot start a line of its own.
    private static func singleLine(_ line: String) -> String {
        String(line.unicodeScalars.map { $0.value < 0x20 ? " " : Character($0) })
    }
}
