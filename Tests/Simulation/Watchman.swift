import Model

/// Looks at everything that is done to containers and volumes, in the moment before it is done, and knows what must not be.
final class Watchman: @unchecked Sendable {
    private let stage: Stage
    private unowned let world: World

    init(_ world: World) {
        self.world = world
        stage = world.stage
    }

    /// Nobody touches what is not labelled as his own.
    func beforeTouching(_ box: EngineHost.Box, by instance: InstanceID, _ verb: String) {
        guard WorkspaceLabels(box.facts.labels, of: instance) == nil else { return }
        stage.violate("foreign containers are left alone", "\(box.facts.name) \(box.facts.id) was \(verb)")
    }

    /// A container that works for a live row ends only after the row says so.
    func beforeEnding(_ box: EngineHost.Box, by instance: InstanceID, _ verb: String) {
        beforeTouching(box, by: instance, verb)
        guard box.isUp, let labels = WorkspaceLabels(box.facts.labels, of: instance), let home = world.home(of: instance) else { return }
        guard let row = home.records.row(labels.workspace) else {
            return mayEndRowless(box, labels, home, verb)
        }
        let isAtWork = row.status == .online || row.status == .degraded || row.condition == WorkspaceCondition(.failed, .registerTimeout)
        guard isAtWork, row.generation == labels.generationNumber else { return }
        stage.violate(
            "a live workspace's container is left alone", "\(box.facts.name) of a row that is \(row.condition.key) was \(verb)")
    }

    private func mayEndRowless(_ box: EngineHost.Box, _ labels: WorkspaceLabels, _ home: Installation, _ verb: String) {
        stage.violate("a container without a row is left alone for now", "\(box.facts.name) was \(verb)")
    }

    /// What somebody worked on goes only when somebody asked for it.
    func beforeRemoving(_ volume: EngineHost.Volume, by instance: InstanceID) {
        guard let labels = WorkspaceLabels(volume.labels, of: instance), let home = world.home(of: instance) else {
            return stage.violate("foreign volumes are left alone", "\(volume.name) was removed")
        }
        guard volume.lived else { return }
        guard let row = home.records.row(labels.workspace), row.status == .removed else {
            let state = home.records.row(labels.workspace)?.condition.key ?? "missing"
            return stage.violate("data is kept until its time", "\(volume.name) was removed while its row is \(state)")
        }
        guard !isAskedAway(row, home) else { return }
        stage.violate("data is kept until its time", "\(volume.name) was removed, and nobody asked for it")
    }

    private func isAskedAway(_ row: Workspace, _ home: Installation) -> Bool {
        var above: Workspace? = row
        while let current = above {
            if home.askedAway.contains(current.id) { return true }
            above = current.parentID.flatMap { home.records.row($0) }
        }
        return false
    }

    /// One workspace, one running container.
    func afterStart(of box: EngineHost.Box) {
        guard let instance = box.facts.labels[WorkspaceLabels.instance].flatMap(InstanceID.init),
            let workspace = WorkspaceLabels(box.facts.labels, of: instance)?.workspace
        else { return }
        let running = world.host.boxes.filter {
            $0.isUp && WorkspaceLabels($0.facts.labels, of: instance)?.workspace == workspace && !$0.decoy
        }
        guard running.count > 1 else { return }
        stage.violate("a workspace runs once", "\(running.map(\.facts.id).joined(separator: " and ")) run for \(workspace.prefix12)")
    }

    /// Looked at after each call that may make a token.
    func afterTokens(of home: Installation) {
        for row in home.records.rows where home.records.liveTokens(of: row.id) > 1 {
            stage.violate("one token is valid", "\(home.records.liveTokens(of: row.id)) speak for \(row.id.prefix12)")
        }
    }
}
