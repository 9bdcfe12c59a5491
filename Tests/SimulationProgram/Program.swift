import Glibc
import Simulation

/// `berth-sim --seed N --steps M [--profile NAME] [--break NAME] [--lines N]`: exit 0 when every invariant held, 1 with the story when one did not.
@main
enum Program {
    static func main() {
        settleHashing()
        guard let options = Options(Array(CommandLine.arguments.dropFirst())) else {
            print(Options.usage)
            exit(2)
        }
        guard ExecutorHook.install() else {
            print("error: this runtime has no hook for its executor")
            exit(2)
        }
        let began = ContinuousClock.now
        var run = SimulationRun(seed: options.seed, profile: options.profile, breakage: options.breakage, lines: options.lines)
        run.run(steps: options.steps)
        report(run, ContinuousClock.now - began)
        exit(run.failure == nil ? 0 : 1)
    }

    /// Dictionaries keep one order in every run only when their hashing is not seeded anew in each process.
    private static func settleHashing() {
        let name = "SWIFT_DETERMINISTIC_HASHING"
        guard getenv(name) == nil else { return }
        setenv(name, "1", 1)
        var arguments = CommandLine.arguments.map { strdup($0) } + [nil]
        execv("/proc/self/exe", &arguments)
        print("error: the program cannot start itself again")
        exit(2)
    }

    private static func report(_ run: SimulationRun, _ time: Duration) {
        let seconds = Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18
        let tenths = (seconds * 10).rounded() / 10
        print("seed \(run.seed): \(run.steps) steps in \(run.episodes) episodes, \(tenths) s, \(Int(Double(run.steps) / seconds)) steps/s")
        for line in run.counts { print("  \(line)") }
        print("digest \(run.digest)")
        guard let failure = run.failure else { return }
        print("VIOLATED \(failure[0])")
        for line in failure.dropFirst(2) { print("  \(line)") }
        print("replay: \(failure[1])")
    }
}
