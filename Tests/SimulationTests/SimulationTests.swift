import Foundation
import Testing

/// The program that takes over its own executor, run as people run it.
struct SimulationProgram {
    /// The optimised one where the environment names it: it is ten times as fast.
    static let path =
        ProcessInfo.processInfo.environment["BERTH_TEST_SIM"]
        ?? URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../.build/debug/berth-sim").standardizedFileURL
        .path(percentEncoded: false)

    let lines: [String]
    let status: Int32

    init(_ arguments: String...) throws {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: Self.path)
        process.arguments = arguments
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        lines = text.split(separator: "\n").map(String.init)
        status = process.terminationStatus
    }

    func line(_ prefix: String) -> String? { lines.first { $0.hasPrefix(prefix) } }
}

/// One at a time: each takes a whole processor.
@Suite("The simulation", .serialized)
struct SimulationTests {
    @Test("the same seed makes the same run, step by step")
    func sameSeed() throws {
        let first = try SimulationProgram("--seed", "11", "--steps", "12000")
        let second = try SimulationProgram("--seed", "11", "--steps", "12000")
        #expect(first.status == 0)
        let digest = try #require(first.line("digest"))
        #expect(second.line("digest") == digest)
    }

    @Test("another seed makes another run")
    func otherSeed() throws {
        let first = try SimulationProgram("--seed", "11", "--steps", "3000")
        let second = try SimulationProgram("--seed", "12", "--steps", "3000")
        let digest = try #require(first.line("digest"))
        #expect(second.line("digest") != digest)
    }

    @Test("every kind of fault really happens, and every action is taken")
    func everything() throws {
        let run = try SimulationProgram("--seed", "13", "--steps", "300000")
        #expect(run.status == 0)
        let actions = try #require(run.line("  action:"))
        for action in [
            "adopt", "confirm", "purge", "restore", "wipe", "crash", "engineDown", "storeDown", "restart", "pause", "resume", "hibernate",
            "message",
            "patch", "cancel", "operatorRemove", "rightDatabaseBack", "restoreOld", "longDown", "decoy",
        ] {
            #expect(actions.localizedCaseInsensitiveContains(action), "\(action)")
        }
        let faults = run.lines.filter { $0.hasPrefix("  fault") }.joined()
        for fault in [
            "unavailable", "failed", "missing", "conflict", "lostReply", "hang", "hangDone", "late", "stuck task", "lost", "delayed",
            "doubled",
        ] {
            #expect(faults.contains("\(fault) "), "\(fault)")
        }
    }

    @Test("a word it does not know is refused")
    func unknownWord() throws { #expect(try SimulationProgram("--sede", "1").status == 2) }

    private static let breakages: [(name: String, invariants: [String])] = [
        ("lost-commits", ["an answer is kept", "a reader misses nothing"]), ("blind-labels", ["foreign containers are left alone"]),
        ("early-volumes", ["data is kept until its time", "a live workspace's container is left alone"]),
        ("no-grace", ["a container without a row has its time"]), ("no-hold", ["a container without a row has its time"]),
        ("short-retention", ["data is kept until its time", "a container without a row has its time"]),
        ("no-fuse", ["one sweep takes few"]),
        ("hasty-stop", ["a live workspace's container is left alone"]),
        ("forgetful-teardown", ["cleanup ends", "a removed workspace has no", "a failed provision leaves no container"]),
    ]

    @Test("a policy that is broken on purpose is caught by the check that is there for it", arguments: breakages.indices)
    func broken(_ index: Int) throws {
        let (name, invariants) = Self.breakages[index]
        let run = try SimulationProgram("--seed", "3", "--steps", "600000", "--break", name)
        let violated = try #require(run.line("VIOLATED "), "\(name) was not noticed")
        #expect(run.status == 1)
        #expect(invariants.contains { violated.hasPrefix("VIOLATED \($0)") }, "\(name): \(violated)")
    }

    @Test("a violation names the seed that shows it again, at the same step")
    func violationReplays() throws {
        let first = try SimulationProgram("--seed", "3", "--steps", "600000", "--break", "hasty-stop")
        let second = try SimulationProgram("--seed", "3", "--steps", "600000", "--break", "hasty-stop")
        #expect(try #require(first.line("replay: ")).hasPrefix("replay: seed 3, episode "))
        #expect(first.lines.filter { !$0.hasPrefix("seed ") } == second.lines.filter { !$0.hasPrefix("seed ") })
    }
}
