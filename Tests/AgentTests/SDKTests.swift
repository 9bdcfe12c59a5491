import Foundation
import Testing

/// The protocol's own client against the real program, in both versions. `scripts/a2a-sdk-check.sh` prints what it compared.
@Suite("The A2A SDK")
struct SDKTests {
    private static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
    private static var hasTools: Bool {
        [".venv/bin/a2a-db", ".build/debug/berth-agent"].allSatisfy { FileManager.default.fileExists(atPath: "\(root)/\($0)") }
    }

    @Test(
        "agrees with the agent, echoing and with a command", .enabled(if: hasTools, "run scripts/python-venv.sh first"),
        .timeLimit(.minutes(2)))
    func agrees() async throws {
        let report = FileManager.default.temporaryDirectory.appending(path: "berth-sdk-\(UUID().uuidString.prefix(8))")
        try Data().write(to: report)
        defer { try? FileManager.default.removeItem(at: report) }
        let code = try await Self.check(writingTo: try FileHandle(forWritingTo: report))
        let text = try String(contentsOf: report, encoding: .utf8)
        #expect(code == 0, "\(text)")
        // Both agents were really asked, in both versions.
        #expect(text.components(separatedBy: "ok   1.0 stream: the reply is whole").count == 3)
        #expect(text.components(separatedBy: "ok   0.3 stream: the reply is whole").count == 3)
    }

    private static func check(writingTo report: FileHandle) async throws -> Int32 {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["bash", "\(root)/scripts/a2a-sdk-check.sh"]
        process.standardOutput = report
        process.standardError = report
        process.standardInput = FileHandle.nullDevice
        return try await withCheckedThrowingContinuation { (done: CheckedContinuation<Int32, any Error>) in
            process.terminationHandler = { done.resume(returning: $0.terminationStatus) }
            do { try process.run() } catch { done.resume(throwing: error) }
        }
    }
}
