import Model
import TestSupport

/// What a run of the simulation may be told.
struct WorldSettings: Sendable {
    var profile = Profile.mixed
    var breakage: Breakage?
}

/// How rough the weather is.
public enum Profile: String, CaseIterable, Sendable {
    case calm, mixed, storm
}

/// One episode: an engine, two installations on it, the people and agents around them, and everything that goes wrong.
final class World: @unchecked Sendable {
    static let image = "berth/workspace-echo:latest"
    static let failingImage = "berth/workspace-failing:latest"
    static let absentImage = "berth/workspace-absent:latest"

    let stage: Stage
    let host: EngineHost
    let homes: [Installation]
    let settings: WorldSettings
    /// Names the world has used up, so that lines can be told apart.
    var names = 0
    let isCrowded: Bool

    init(_ stage: Stage, _ settings: WorldSettings) {
        self.stage = stage
        self.settings = settings
        host = EngineHost(stage)
        isCrowded = stage.dice.roll(8) == 0
        host.images = [Self.image, Self.failingImage]
        host.pullable = [Self.image, Self.failingImage]
        homes = [Installation("A", on: host, breakage: settings.breakage), Installation("B", on: host)]
        let watchman = Watchman(self)
        host.watchman = watchman
        for home in homes {
            home.storeGate.afterwards = { [unowned home] name in
                home.loseCommit(of: name)
                guard ["insert", "startProvision", "adopt"].contains(name) else { return }
                watchman.afterTokens(of: home)
            }
        }
        chooseWeather()
        for home in homes { home.boot() }
    }

    func home(of instance: InstanceID) -> Installation? { homes.first { $0.instance == instance } }

    func chooseWeather() {
        let choices: [(Weather, Int)] =
            switch settings.profile {
            case .calm: [(.calm, 1)]
            case .mixed: [(.calm, 3), (.rough, 5), (.storm, 2)]
            case .storm: [(.storm, 1)]
            }
        let weather = stage.dice.weighted(choices) ?? .calm
        host.weather = weather
        for home in homes {
            home.engineGate.weather = weather
            home.storeGate.weather = weather
        }
    }

    static let echo = template("echo", runtime: "echo", image: image)
    static let failing = template("failing", runtime: "failing", image: failingImage)
    static let absent = template("absent", runtime: "absent", image: absentImage)

    private static func template(_ id: String, runtime: String, image: String) -> Template {
        var template = Template(id: id, directory: "/nowhere/\(id)")
        template.runtime = runtime
        template.image = image
        return template
    }
}

// MARK: - The turn of things

extension World {
    /// One move: a job that is ready, a call that is answered, something the world does, or time.
    func move() {
        if !ReadyQueue.shared.isEmpty, !stage.dice.chance(perMille: 10) {
            _ = ReadyQueue.shared.runOne(for: stage)
        } else if !stage.calls.isEmpty, !stage.dice.chance(perMille: 120) {
            stage.answerOne()
        } else if stage.dice.chance(perMille: 400) || !advance() {
            act()
        }
    }

    /// Goes on to the next thing that happens by itself. False when that is nothing.
    func advance() -> Bool {
        guard let next = [stage.nextMoment, nextAgentMoment].compactMap({ $0 }).min() else { return false }
        stage.advance(to: next)
        wakeAgents()
        return true
    }

    /// Nothing goes wrong any more and nobody wants anything: whatever is under way may come to its end.
    func settle(for duration: Duration) {
        heal()
        live(for: duration)
    }

    /// Time passes as it does, second by second, and agents beat.
    func live(for duration: Duration) {
        let end = stage.now + duration
        let limit = stage.steps + 200_000
        while stage.now < end, stage.violation == nil {
            if ReadyQueue.shared.runOne(for: stage) { continue }
            if !stage.calls.isEmpty {
                stage.answerOne()
            } else if !advance() {
                stage.advance(to: end)
            }
            if stage.steps > limit { stage.violate("the world comes to rest", "\(limit) steps were not enough") }
        }
    }

    private func heal() {
        host.weather = .calm
        host.isKind = true
        for home in homes {
            home.engineGate.weather = .calm
            home.storeGate.weather = .calm
            home.engineGate.isDown = false
            home.storeGate.isDown = false
        }
        if !host.isUp { host.comeUp(sticking: false) }
        host.images.formUnion([Self.image, Self.failingImage])
        for index in host.boxes.indices {
            host.boxes[index].agent?.mode = .well
            if let next = host.boxes[index].agent?.nextAt { host.boxes[index].agent?.nextAt = min(next, stage.now + .seconds(5)) }
        }
        for home in homes where home.daemon == nil { home.boot() }
    }
}
