import Model

/// What people, machines and bad luck do.
enum Action: String, CaseIterable {
    case create, createChild, delete, restart, pause, resume, hibernate, message, patch, cancel, bootstrapFailed, follow
    case time, wait, longDown
    case die, dieForGood, operatorStop, operatorRemove, operatorStart, goSilent, speakAgain
    case engineDown, engineUp, storeDown, storeUp, breakStreams, imageGone, imageBack, weather, decoy
    case crash, boot
    case backUp, wipe, restoreOld, rightDatabaseBack
    case orphanReport, orphanAdopt, orphanRestore, orphanConfirm, orphanPurge

    /// How likely it is, beside the others.
    var weight: Int {
        switch self {
        case .create: 40
        case .createChild: 15
        case .delete: 18
        case .restart, .pause, .hibernate: 8
        case .resume, .message: 14
        case .patch: 8
        case .cancel, .bootstrapFailed, .follow: 3
        case .time: 60
        case .wait: 8
        case .longDown: 1
        case .die, .dieForGood: 12
        case .operatorStop, .operatorRemove, .operatorStart: 6
        case .goSilent, .speakAgain: 8
        case .engineDown, .storeDown: 6
        case .engineUp, .storeUp: 30
        case .breakStreams, .weather: 6
        case .decoy, .imageGone: 3
        case .imageBack: 18
        case .crash: 14
        case .boot: 80
        case .backUp: 4
        case .wipe, .restoreOld: 2
        case .rightDatabaseBack: 4
        case .orphanReport, .orphanAdopt, .orphanConfirm: 3
        case .orphanRestore, .orphanPurge: 2
        }
    }
}

extension World {
    private static let weights = Action.allCases.map { ($0, $0.weight) }

    func act() {
        guard let action = stage.dice.weighted(Self.weights), let home = stage.dice.weighted([(homes[0], 4), (homes[1], 1)]) else { return }
        guard let did = perform(action, home) else { return }
        stage.step("action", action.rawValue, "\(home.name) \(did)")
    }

    /// Does it; nil when there is nothing it could be done to.
    private func perform(_ action: Action, _ home: Installation) -> String? {
        switch action {
        case .create, .createChild, .delete, .restart, .pause, .resume, .hibernate, .message, .patch, .cancel, .bootstrapFailed, .follow:
            perform(verb: action, home)
        case .die, .dieForGood, .operatorStop, .operatorRemove, .operatorStart, .goSilent, .speakAgain: perform(onBox: action, home)
        case .engineDown, .engineUp, .storeDown, .storeUp, .breakStreams, .imageGone, .imageBack: perform(outage: action, home)
        case .crash, .boot: perform(process: action, home)
        case .backUp, .wipe, .restoreOld, .rightDatabaseBack: perform(database: action, home)
        case .orphanReport, .orphanAdopt, .orphanRestore, .orphanConfirm, .orphanPurge: perform(orphans: action, home)
        case .time, .wait, .longDown: pass(action)
        case .weather: weatherChanges()
        case .decoy: putDecoy(home)
        }
    }

    private func pass(_ action: Action) -> String {
        switch action {
        case .longDown:
            // Nobody is there to see the time go by: the machines run, the daemons do not.
            for home in homes { home.kill() }
            let hours = stage.dice.roll(1...60)
            stage.advance(by: .seconds(hours * 3600))
            return "\(hours) hours pass without a daemon"
        case .wait:
            let seconds = stage.dice.roll(20...900)
            live(for: .seconds(seconds))
            return "\(seconds) seconds have passed"
        default:
            let seconds = stage.dice.roll(1...20)
            stage.advance(by: .seconds(seconds))
            wakeAgents()
            return "\(seconds) seconds pass"
        }
    }

    private func weatherChanges() -> String {
        chooseWeather()
        return "the weather changes"
    }

    /// Something on the same engine that only looks like ours.
    private func putDecoy(_ home: Installation) -> String? {
        guard host.isUp, host.boxes.count(where: \.decoy) < 4 else { return nil }
        let id = WorkspaceID(random: home.random)
        var labels: [String: String] = [:]
        switch stage.dice.roll(4) {
        case 0: labels[WorkspaceLabels.managed] = "true"
        case 1: labels = [WorkspaceLabels.managed: "true", WorkspaceLabels.instance: "another-place", WorkspaceLabels.workspaceID: id.text]
        case 2: labels = [WorkspaceLabels.instance: home.instance.text, WorkspaceLabels.workspaceID: id.text]
        default: break
        }
        let facts = ContainerFacts(id: host.newID(), name: "ws-\(id.prefix12)", labels: labels, state: .running)
        host.boxes.append(EngineHost.Box(facts: facts, decoy: true))
        return "somebody runs \(facts.name), which is nobody's"
    }
}
