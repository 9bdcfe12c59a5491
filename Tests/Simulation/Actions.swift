import Model
import Provisioner

/// What people, machines and bad luck do.
enum Action: String, CaseIterable {
    case create, createChild, delete, time, wait
    case die, dieForGood, operatorStop, operatorRemove, operatorStart
    case goSilent, speakAgain
    case engineDown, engineUp, storeDown, storeUp, breakStreams
    case crash, boot, weather, decoy, imageGone, imageBack

    var weight: Int {
        switch self {
        case .create: 14
        case .createChild: 5
        case .delete: 7
        case .time: 20
        case .wait: 3
        case .die, .dieForGood: 4
        case .operatorStop, .operatorRemove, .operatorStart: 2
        case .goSilent, .speakAgain: 3
        case .engineDown: 2
        case .engineUp: 12
        case .storeDown: 2
        case .storeUp: 12
        case .breakStreams: 2
        case .crash: 5
        case .boot: 30
        case .weather: 2
        case .decoy: 1
        case .imageGone: 1
        case .imageBack: 6
        }
    }
}

extension World {
    private static let weights = Action.allCases.map { ($0, $0.weight) }
    /// Live workspaces of one installation, at most: more of them show nothing new.
    private static let crowd = 10

    func act() {
        guard let action = stage.dice.weighted(Self.weights), let home = stage.dice.weighted([(homes[0], 4), (homes[1], 1)]) else { return }
        guard let did = perform(action, home) else { return }
        stage.step("action", action.rawValue, "\(home.name) \(did)")
    }

    /// Does it; nil when there is nothing it could be done to.
    private func perform(_ action: Action, _ home: Installation) -> String? {
        switch action {
        case .create, .createChild, .delete: perform(verb: action, home)
        case .die, .dieForGood, .operatorStop, .operatorRemove, .operatorStart, .goSilent, .speakAgain: perform(onBox: action, home)
        case .engineDown, .engineUp, .storeDown, .storeUp, .breakStreams, .imageGone, .imageBack: perform(outage: action, home)
        case .crash, .boot: perform(process: action, home)
        case .time, .wait: pass(action)
        case .weather: weatherChanges()
        case .decoy: putDecoy(home)
        }
    }

    private func pass(_ action: Action) -> String {
        let seconds = action == .time ? stage.dice.roll(1...20) : stage.dice.roll(20...600)
        stage.advance(by: .seconds(seconds))
        wakeAgents()
        return "\(seconds) seconds pass"
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

// MARK: - Verbs

extension World {
    private func perform(verb: Action, _ home: Installation) -> String? {
        guard home.daemon != nil else { return nil }
        let live = home.records.rows.filter { $0.status != .removed }
        switch verb {
        case .delete:
            guard let row = stage.dice.pick(live) else { return nil }
            return delete(row, home)
        case .createChild:
            guard live.count < Self.crowd, let parent = stage.dice.pick(live) else { return nil }
            return create(below: parent.id, home)
        default:
            guard live.count < Self.crowd else { return nil }
            return create(below: nil, home)
        }
    }

    private func create(below parent: WorkspaceID?, _ home: Installation) -> String {
        names += 1
        var request = CreateWorkspace(name: "Ada \(names)")
        request.template = stage.dice.weighted([("echo", 20), ("failing", 1), ("absent", 1)])
        request.parentID = parent
        home.ask("create \(request.name)") { [request] daemon in try await daemon.provisioner.create(request).workspace.id.prefix12 }
        return "create \(request.name)"
    }

    private func delete(_ row: Workspace, _ home: Installation) -> String {
        home.askedAway.insert(row.id)
        home.ask("delete \(row.id.prefix12)") { daemon in
            let done = try await daemon.provisioner.delete(row.id, confirmed: true)
            return "\(done.removedIDs.count) removed, \(done.failures.count) failures"
        }
        return "delete \(row.id.prefix12)"
    }
}

// MARK: - Behind everybody's back

extension World {
    private func perform(onBox action: Action, _ home: Installation) -> String? {
        let candidates = host.boxes.indices.filter { index in
            let box = host.boxes[index]
            guard !box.decoy, box.facts.labels[WorkspaceLabels.instance] == home.instance.text else { return false }
            return action == .operatorStart ? !box.isUp && host.isUp : action == .operatorRemove || box.isUp
        }
        guard host.isUp, let index = stage.dice.pick(candidates) else { return nil }
        let name = "\(host.boxes[index].facts.name) \(host.boxes[index].facts.id)"
        switch action {
        case .die: host.die(index, exitCode: stage.dice.roll(0...2), restarts: true)
        case .dieForGood: host.die(index, exitCode: 137, restarts: false, outOfMemory: stage.dice.roll(2) == 0)
        case .operatorStop: host.stop(index)
        case .operatorRemove: host.remove(index)
        case .operatorStart: try? host.start(index)
        case .goSilent: host.boxes[index].agent?.mode = .silent
        default: host.boxes[index].agent?.mode = .well
        }
        return "\(action.rawValue) \(name)"
    }

    private func perform(outage: Action, _ home: Installation) -> String? {
        switch outage {
        case .engineDown:
            guard host.isUp else { return nil }
            host.goDown(killing: stage.dice.roll(2) == 0)
            for home in homes { home.engineGate.isDown = true }
        case .engineUp:
            guard !host.isUp else { return nil }
            host.comeUp(sticking: stage.dice.roll(3) == 0)
            for home in homes { home.engineGate.isDown = false }
        case .storeDown, .storeUp:
            guard home.storeGate.isDown == (outage == .storeUp) else { return nil }
            home.storeGate.isDown.toggle()
        case .breakStreams:
            guard !host.readers.isEmpty else { return nil }
            host.breakStreams()
        case .imageGone: host.images.remove(Self.image)
        default:
            guard host.images.insert(Self.image).inserted else { return nil }
        }
        return outage.rawValue
    }

    private func perform(process action: Action, _ home: Installation) -> String? {
        switch action {
        case .crash:
            guard home.daemon != nil else { return nil }
            home.kill()
            return "the daemon is killed"
        default:
            guard home.daemon == nil else { return nil }
            home.boot()
            return "the daemon starts"
        }
    }
}
