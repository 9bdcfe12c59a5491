import Model
import Provisioner

/// What people and other agents ask the daemon for.
extension World {
    /// Live workspaces of one installation, at most: more of them show nothing new.
    private var crowd: Int { isCrowded ? 18 : 9 }

    func perform(verb: Action, _ home: Installation) -> String? {
        guard home.daemon != nil else { return nil }
        let live = home.records.rows.filter { $0.status != .removed }
        switch verb {
        case .create:
            return live.count < crowd ? create(below: nil, home) : nil
        case .createChild:
            guard live.count < crowd, let parent = stage.dice.pick(live) else { return nil }
            return create(below: parent.id, home)
        case .resume:
            return stage.dice.pick(live.filter { $0.status == .paused }).map { resume($0.id, home) }
        default:
            return stage.dice.pick(live).map { perform(verb, $0, home) }
        }
    }

    private func create(below parent: WorkspaceID?, _ home: Installation) -> String {
        names += 1
        var request = CreateWorkspace(name: "Ada \(names)")
        request.template = stage.dice.weighted([("echo", 20), ("failing", 1), ("absent", 1)])
        request.parentID = parent
        home.ask("create \(request.name)") { [request] daemon in
            let id = try await daemon.provisioner.create(request).workspace.id
            home.wishes.created.insert(id)
            return id.prefix12
        }
        return "create \(request.name)"
    }

    private func resume(_ id: WorkspaceID, _ home: Installation) -> String {
        home.ask("resume \(id.prefix12)") { daemon in "\(try await daemon.provisioner.resume(id).count) resumed" }
        return "resume \(id.prefix12)"
    }

    private func perform(_ verb: Action, _ row: Workspace, _ home: Installation) -> String {
        let id = row.id
        let what = "\(verb.rawValue) \(id.prefix12)"
        if [.delete, .restart, .pause, .hibernate, .cancel].contains(verb) { home.wishes.endedAt[id] = stage.now }
        switch verb {
        case .delete:
            home.wishes.removed.insert(id)
            home.ask(what) { daemon in
                let done = try await daemon.provisioner.delete(id, confirmed: true)
                home.wishes.gone.formUnion(done.removedIDs)
                return "\(done.removedIDs.count) removed, \(done.failures.count) failures"
            }
        case .restart:
            var options = RestartOptions()
            options.applyTemplate = stage.dice.roll(2) == 0
            home.ask(what) { [options] daemon in "generation \(try await daemon.provisioner.restart(id, options).generation)" }
        case .pause:
            home.ask(what) { daemon in "\(try await daemon.provisioner.pause(id).stopped.count) paused" }
        case .hibernate:
            let force = stage.dice.roll(2) == 0
            home.ask(what) { daemon in "\(try await daemon.provisioner.hibernate(id, force: force).stopped.count) hibernates" }
        case .patch: patch(id, what, home)
        case .cancel: home.ask(what) { daemon in try await daemon.provisioner.cancel(id).condition.key }
        case .bootstrapFailed:
            home.ask(what) { daemon in "\(try await daemon.provisioner.bootstrapFailed(id, error: "no", logTail: ""))" }
        case .follow: follow(id, what, home)
        default: message(id, what, home)
        }
        return what
    }

    private func patch(_ id: WorkspaceID, _ what: String, _ home: Installation) {
        var change = WorkspaceChange()
        switch stage.dice.roll(5) {
        case 0: change.name = "Ben \(stage.steps)"
        case 1: change.tier = stage.dice.roll(1...2)
        case 2: change.hibernationIdleMinutes = .some(stage.dice.roll(3) == 0 ? nil : stage.dice.roll(1...20))
        case 3: change.parentID = .some(stage.dice.pick(home.records.rows)?.id)
        default: change.image = stage.dice.roll(2) == 0 ? Self.image : Self.absentImage
        }
        home.ask(what) { [change] daemon in try await daemon.provisioner.update(id, change, byAgent: false).name }
    }

    /// A message is passed on to the agent and takes a while; one that hibernates is woken.
    private func message(_ id: WorkspaceID, _ what: String, _ home: Installation) {
        let seconds = stage.dice.roll(1...120)
        home.ask(what) { [stage, life = home.life] daemon in
            daemon.provisioner.workBegan(on: id)
            defer { daemon.provisioner.workEnded(on: id) }
            let row = try await home.records.workspace(id)
            if row?.status == .hibernated { await daemon.provisioner.wake(id) }
            try await stage.sleep(for: .seconds(seconds), life)
            return "answered after \(seconds) s"
        }
    }

    /// Somebody reads the workspace's story for a while: each event comes once, in its order.
    private func follow(_ id: WorkspaceID, _ what: String, _ home: Installation) {
        let count = stage.dice.roll(5...40)
        home.ask(what) { [stage] daemon in
            var last: Int64 = 0
            var seen = 0
            for try await event in daemon.feed.follow(id, after: 0) {
                guard let sequence = event.sequence else { continue }
                if sequence != last + 1 { stage.violate("a reader misses nothing", "\(sequence) came after \(last) of \(id.prefix12)") }
                last = sequence
                seen += 1
                if seen >= count { break }
            }
            return "\(seen) events read"
        }
    }
}
