import Foundation
import Testing

/// The simulation is a program of its own, because it takes over the process's executor; `docs/simulation.md` tells what it does.
@Suite("The simulation", .serialized)
struct SimulationTests {
    private static var program: String {
        ProcessInfo.processInfo.environment["BERTH_TEST_SIM"]
            ?? URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../.build/debug/berth-sim").standardizedFileURL
            .path()
    }

    private func run(_ arguments: String...) throws -> (code: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(filePath: Self.program)
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }

    private func digest(_ output: String) -> String? {
        output.split(separator: "\n").first { $0.hasPrefix("digest ") }.map(String.init)
    }

    @Test("a seed replays to the letter, and another seed is another story")
    func replays() throws {
        let (first, again) = (try run("--seed", "11", "--steps", "8000"), try run("--seed", "11", "--steps", "8000"))
        let other = try run("--seed", "12", "--steps", "8000")
        #expect(first.code == 0 && other.code == 0, "\(first.output)\(other.output)")
        #expect(digest(first.output) != nil && digest(first.output) == digest(again.output))
        #expect(digest(first.output) != digest(other.output))
    }

    @Test(
        "a policy made wrong on purpose is caught, with the seed and the step that show it",
        arguments: ["blind-labels", "early-volumes", "no-grace", "no-hold", "short-retention", "hasty-stop", "forgetful-teardown"])
    func catches(_ breakage: String) throws {
        let (code, output) = try run("--seed", "1", "--steps", "200000", "--break", breakage)
        #expect(code == 1, "\(breakage) was not noticed")
        #expect(output.contains("seed 1") && output.contains("step"), "\(output.suffix(2000))")
    }

    @Test("words it does not know are refused")
    func usage() throws { #expect(try run("--sed", "1").code == 2) }
}
