import Model
import Sweeper

/// What happens behind the daemon's back.
extension World {
    func perform(onBox action: Action, _ home: Installation) -> String? {
        let candidates = host.boxes.indices.filter { index in
            let box = host.boxes[index]
            guard !box.decoy, box.facts.labels[WorkspaceLabels.instance] == home.instance.text else { return false }
            // Nobody starts by hand what was never finished: it holds no token that could be valid.
            return action == .operatorStart ? !box.isUp && box.facts.startedAt != nil : action == .operatorRemove || box.isUp
        }
        guard host.isUp, let index = stage.dice.pick(candidates) else { return nil }
        let name = "\(host.boxes[index].facts.name) \(host.boxes[index].facts.id)"
        switch action {
        case .die: host.die(index, exitCode: stage.dice.roll(0...2), restarts: true)
        case .dieForGood: host.die(index, exitCode: 137, restarts: false, outOfMemory: stage.dice.roll(2) == 0)
        case .operatorStop: host.stop(index)
        case .operatorRemove: host.remove(index)
        case .operatorStart: startByHand(index)
        case .goSilent: host.boxes[index].agent?.mode = .silent
        default: host.boxes[index].agent?.mode = .well
        }
        return "\(action.rawValue) \(name)"
    }

    private func startByHand(_ index: Int) {
        do {
            try host.start(index)
        } catch {
            stage.note("the engine will not start it")
        }
    }

    func perform(outage: Action, _ home: Installation) -> String? {
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
        case .imageGone:
            guard host.images.remove(Self.image) != nil else { return nil }
        default:
            guard host.images.insert(Self.image).inserted else { return nil }
        }
        return outage.rawValue
    }

    func perform(process action: Action, _ home: Installation) -> String? {
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

/// What happens to databases, always while the daemon is down.
extension World {
    func perform(database action: Action, _ home: Installation) -> String? {
        switch action {
        case .backUp:
            guard home.rightDatabase == nil else { return nil }
            home.backup = home.database
            return "the database is copied away"
        case .wipe:
            home.kill()
            home.rightDatabase = home.rightDatabase ?? home.database
            home.use(home.emptyDatabase)
            return "the database is empty"
        case .restoreOld:
            guard let backup = home.backup else { return nil }
            home.kill()
            home.rightDatabase = home.rightDatabase ?? home.database
            home.use(backup)
            return "an old copy is in the database's place"
        default:
            return bringRightDatabaseBack(home) ? "the right database is back" : nil
        }
    }

    func bringRightDatabaseBack(_ home: Installation) -> Bool {
        guard let right = home.rightDatabase else { return false }
        home.kill()
        home.rightDatabase = nil
        home.use(right)
        return true
    }
}

/// What people decide about orphans.
extension World {
    func perform(orphans action: Action, _ home: Installation) -> String? {
        guard home.daemon != nil else { return nil }
        guard action != .orphanReport else {
            home.ask("orphanReport") { daemon in "\(try await daemon.orphans.report().entries.count) entries" }
            return "orphans list"
        }
        let rowless = rowless(home)
        guard let id = stage.dice.pick(rowless) else { return nil }
        let act = Self.act(of: action)
        decide(act, on: stage.dice.roll(3) == 0 ? nil : [id], among: rowless, home)
        return "orphans \(act.rawValue) \(id.prefix12)"
    }

    /// Whatever of `home` has no row now.
    func rowless(_ home: Installation) -> [WorkspaceID] {
        let labels = host.boxes.map(\.facts.labels) + host.volumes.map(\.labels)
        let ids = Set(labels.compactMap { WorkspaceLabels($0, of: home.instance)?.workspace })
        return ids.filter { home.records.row($0) == nil }.sorted { $0.text < $1.text }
    }

    private static func act(of action: Action) -> OrphanAct {
        switch action {
        case .orphanAdopt: .adopt
        case .orphanRestore: .restore
        case .orphanConfirm: .confirm
        default: .purge
        }
    }

    func decide(_ act: OrphanAct, on ids: [WorkspaceID]?, among rowless: [WorkspaceID], _ home: Installation) {
        let meant = Set(ids ?? rowless)
        switch act {
        case .adopt: home.wishes.adopted.formUnion(meant)
        case .confirm: home.wishes.confirmed.formUnion(meant)
        case .purge: for id in meant { home.wishes.purgedAt[id] = stage.now }
        case .restore: break
        }
        home.ask("orphan-\(act.rawValue)") { daemon in
            let outcomes = try await daemon.orphans.perform(act, on: ids, dryRun: false)
            if act == .restore { home.wishes.confirmed.subtract(outcomes.filter { $0.failure == nil }.map(\.id)) }
            return outcomes.map { "\($0.id.prefix12) \($0.did)" }.joined(separator: ", ")
        }
    }
}
