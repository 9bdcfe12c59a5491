import Model

/// The end of an episode: the world comes to rest, and then everything must be true.
extension World {
    func rest() {
        // Longer than the hold of a new database, the grace of an orphan and the time an agent has to come.
        settle(for: .seconds(2700))
        checkRest(orphansMayWait: true)
        guard stage.violation == nil else { return }
        let ending = stage.dice.roll(4)
        if ending == 0 { outliveRetention() }
        if ending > 1, homes.contains(where: { $0.rightDatabase != nil }) { comeHome() }
    }

    /// The right database comes back: everything in it runs again.
    private func comeHome() {
        for home in homes { _ = bringRightDatabaseBack(home) }
        stage.step("action", "comeHome", "the right databases are back")
        settle(for: .seconds(2700))
        checkRest(orphansMayWait: true)
    }

    /// Somebody lets go of whatever nobody speaks for, and the time of keeping passes.
    private func outliveRetention() {
        for home in homes {
            let ids = rowless(home)
            guard !ids.isEmpty else { continue }
            decide(.confirm, on: ids, among: ids, home)
        }
        live(for: .seconds(300))
        for home in homes { home.kill() }
        stage.advance(by: .seconds(169 * 3600))
        stage.step("action", "outliveRetention", "a week passes")
        settle(for: .seconds(1200))
        checkRest(orphansMayWait: false)
    }

    private func checkRest(orphansMayWait: Bool) {
        guard stage.violation == nil else { return }
        for home in homes {
            for row in home.records.rows { check(row, home) }
            checkPromises(home)
            checkLeaks(home, orphansMayWait)
        }
        checkDecoys()
    }
}

// MARK: - Rows

extension World {
    private func boxes(of id: WorkspaceID, _ home: Installation) -> [EngineHost.Box] {
        host.boxes.filter { WorkspaceLabels($0.facts.labels, of: home.instance)?.workspace == id }
    }

    private static func sketch(_ boxes: [EngineHost.Box]) -> String {
        boxes.isEmpty
            ? "no container" : boxes.map { "\($0.facts.id) \($0.facts.state) of generation \($0.facts.generation)" }.joined(separator: ", ")
    }

    private func check(_ row: Workspace, _ home: Installation) {
        let mine = boxes(of: row.id, home)
        let name = "\(home.name) \(row.id.prefix12), \(row.condition.key) of generation \(row.generation),"
        switch row.status {
        case .removed: checkRemoved(row, mine, name, home)
        case .provisioning, .hibernating, .offline:
            stage.violate("nothing stays between two states", "\(name) has \(Self.sketch(mine))")
        case .online, .degraded: checkOnline(row, mine, name)
        case .failed: checkFailed(row, mine, name, home)
        case .paused, .hibernated:
            if mine.contains(where: \.isUp) { stage.violate("what should rest does not run", "\(name) runs") }
        case .awaitingAgent: break
        }
    }

    private func checkRemoved(_ row: Workspace, _ mine: [EngineHost.Box], _ name: String, _ home: Installation) {
        if !mine.isEmpty { stage.violate("a removed workspace has no container", "\(name) has \(mine.count)") }
        let volumes = host.volumes.filter { WorkspaceLabels($0.labels, of: home.instance)?.workspace == row.id }
        if !volumes.isEmpty { stage.violate("a removed workspace has no volume", "\(name) has \(volumes.count)") }
        if row.pendingCleanup { stage.violate("cleanup ends", "\(name) is pending") }
    }

    private func checkOnline(_ row: Workspace, _ mine: [EngineHost.Box], _ name: String) {
        guard let box = mine.first, mine.count == 1, box.isUp, box.facts.generation == row.generation else {
            return stage.violate("what is online has its one container", "\(name) has \(Self.sketch(mine))")
        }
        guard box.facts.agentURL != row.url else { return }
        stage.violate("an address is the agent's own", "\(name) is at \(row.url ?? "no address"), its agent elsewhere")
    }

    /// An agent with a good token has brought its row back by now. One whose token the database does not know cannot; that happens only where
    /// two databases counted the same generation.
    private func checkHeard(_ row: Workspace, _ box: EngineHost.Box, _ name: String, _ home: Installation) {
        let token = host.index(box.facts.id).flatMap { host.read("/configs/.auth_token", of: $0) } ?? []
        guard home.hasForked, !home.records.accepts(token, for: row.id) else {
            return stage.violate("an agent that comes is heard", "\(name) runs and is not online")
        }
        stage.tally.count("known gap", "token unknown to its database")
    }

    private func checkFailed(_ row: Workspace, _ mine: [EngineHost.Box], _ name: String, _ home: Installation) {
        if row.failure == nil { stage.violate("a failure has a cause", "\(name) has none") }
        switch row.condition.cause {
        case .provision, .wedged, .errorRate, nil:
            // One that is newer than its row shows that the database is an old copy, and is kept until somebody decides.
            if mine.contains(where: { $0.facts.generation > row.generation }) { return }
            if !mine.isEmpty { stage.violate("a failed provision leaves no container", "\(name) has \(mine.count)") }
            if row.pendingCleanup { stage.violate("cleanup ends", "\(name) is pending") }
        case .crashLoop:
            if mine.contains(where: \.isUp) { stage.violate("what should rest does not run", "\(name) runs") }
        case .registerTimeout:
            for box in mine where box.isUp { checkHeard(row, box, name, home) }
        }
    }
}

// MARK: - Promises

extension World {
    /// What the daemon said is done stays done.
    private func checkPromises(_ home: Installation) {
        for id in home.wishes.created where home.records.row(id) == nil {
            stage.violate("an answer is kept", "\(home.name) \(id.prefix12) was created and has no row")
        }
        for id in home.wishes.gone where home.records.row(id)?.status != .removed {
            stage.violate("an answer is kept", "\(home.name) \(id.prefix12) was removed and is back")
        }
    }
}

// MARK: - Things

extension World {
    private func checkLeaks(_ home: Installation, _ orphansMayWait: Bool) {
        let things = host.boxes.map { ($0.facts.name, $0.facts.labels, $0.isUp) } + host.volumes.map { ($0.name, $0.labels, false) }
        for (name, labels, isUp) in things {
            guard let id = WorkspaceLabels(labels, of: home.instance)?.workspace, home.records.row(id) == nil else { continue }
            guard orphansMayWait, let orphan = home.records.orphan(id) else {
                return stage.violate("nothing leaks", "\(name) has no row and nobody waits for it")
            }
            if orphan.state == .quarantined, isUp { stage.violate("what is quarantined does not run", name) }
        }
    }

    private func checkDecoys() {
        for box in host.boxes where box.decoy && box.facts.state != .running {
            stage.violate("foreign containers are left alone", "\(box.facts.name) does not run any more")
        }
    }
}
