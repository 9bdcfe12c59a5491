import Simulation

struct Options {
    static let usage = "berth-sim [--seed N] [--steps M] [--profile NAME] [--break NAME] [--lines N]; without a seed, a fresh one"

    var seed = UInt64.random(in: 1...999_999_999)
    var steps = 1_000_000
    var profile = Profile.mixed
    var breakage: Breakage?
    /// How many lines of the trace a violation shows.
    var lines: Int?

    /// nil for words it does not know.
    init?(_ words: [String]) {
        var rest = words[...]
        while let name = rest.popFirst() {
            guard let value = rest.popFirst(), take(name, value) else { return nil }
        }
    }

    private mutating func take(_ name: String, _ value: String) -> Bool {
        switch name {
        case "--seed":
            guard let number = UInt64(value) else { return false }
            seed = number
        case "--steps":
            guard let number = Int(value), number > 0 else { return false }
            steps = number
        case "--profile":
            guard let known = Profile(rawValue: value) else { return false }
            profile = known
        case "--break":
            guard let known = Breakage(rawValue: value) else { return false }
            breakage = known
        case "--lines":
            guard let number = Int(value) else { return false }
            lines = number
        default: return false
        }
        return true
    }
}
