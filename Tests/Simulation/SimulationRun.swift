/// Runs episodes until enough steps were made or something did not hold. The same seed makes the same run.
public struct SimulationRun {
    /// Steps of one episode before the world is left to come to rest.
    static let episodeSteps = 4000

    public let seed: UInt64
    public let profile: Profile
    public let breakage: Breakage?
    public private(set) var steps = 0
    public private(set) var episodes = 0
    /// In sentences; nil while everything holds.
    public private(set) var failure: [String]?
    private var trace: Trace
    private var tally = Tally()

    public init(seed: UInt64, profile: Profile = .mixed, breakage: Breakage? = nil, lines: Int? = nil) {
        trace = Trace(length: lines ?? Trace.standardLength)
        self.seed = seed
        self.profile = profile
        self.breakage = breakage
    }

    public var digest: String { String(trace.digest, radix: 16) }
    public var counts: [String] { tally.lines }

    public mutating func run(steps limit: Int) {
        while steps < limit, failure == nil { episode(upTo: limit - steps) }
    }

    private mutating func episode(upTo limit: Int) {
        episodes += 1
        let own = seed &+ UInt64(episodes) &* 0x9E37_79B9_7F4A_7C15
        let stage = Stage(seed: own, trace: trace, tally: tally)
        stage.note("episode \(episodes)")
        let world = World(stage, WorldSettings(profile: profile, breakage: breakage))
        while stage.steps < min(Self.episodeSteps, limit), stage.violation == nil { world.move() }
        if stage.steps < limit, stage.violation == nil { world.rest() }
        world.end()
        steps += stage.steps
        trace = stage.trace
        tally = stage.tally
        failure = stage.violation.map { violation in
            ["\(violation.invariant): \(violation.detail)", "seed \(seed), episode \(episodes), step \(steps)"] + stage.trace.last
        }
    }
}

extension World {
    func end() {
        for home in homes { home.kill() }
    }
}
