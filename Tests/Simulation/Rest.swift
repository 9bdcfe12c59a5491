import Model

/// What must be true once the world has come to rest.
extension World {
    func checkRest() {
        for home in homes {
            for row in home.records.rows { check(row, home) }
            checkLeaks(home)
        }
        checkDecoys()
    }

    private func boxes(of id: WorkspaceID, _ home: Installation) -> [EngineHost.Box] {
        host.boxes.filter { WorkspaceLabels($0.facts.labels, of: home.instance)?.workspace == id }
    }

    private func check(_ row: Workspace, _ home: Installation) {
        let mine = boxes(of: row.id, home)
        let running = mine.filter(\.isUp)
        let name = "\(home.name) \(row.id.prefix12), \(row.condition.key) of generation \(row.generation),"
        switch row.status {
        case .removed:
            if !mine.isEmpty { stage.violate("a removed workspace has no container", "\(name) has \(mine.count)") }
            let volumes = host.volumes.filter { WorkspaceLabels($0.labels, of: home.instance)?.workspace == row.id }
            if !volumes.isEmpty { stage.violate("a removed workspace has no volume", "\(name) has \(volumes.count)") }
            if row.pendingCleanup { stage.violate("cleanup ends", "\(name) is pending") }
        case .provisioning, .hibernating:
            stage.violate("nothing stays between two states", "\(name) has \(running.count) running containers")
        case .online, .degraded:
            for box in running where box.facts.agentURL != row.url || box.facts.generation != row.generation {
                stage.violate("an address is the agent's own", "\(name) is at \(row.url ?? "no address")")
            }
        case .failed where row.condition.cause == .provision:
            if !mine.isEmpty { stage.violate("a failed provision leaves no container", "\(name) has \(mine.count)") }
        case .paused, .hibernated:
            if !running.isEmpty { stage.violate("what should not run does not", "\(name) runs") }
        case .failed, .offline, .awaitingAgent: break
        }
    }

    private func checkLeaks(_ home: Installation) {
        for box in host.boxes {
            guard let labels = WorkspaceLabels(box.facts.labels, of: home.instance) else { continue }
            if home.records.row(labels.workspace) == nil { stage.violate("nothing leaks", "\(box.facts.name) has no row") }
        }
        for volume in host.volumes {
            guard let labels = WorkspaceLabels(volume.labels, of: home.instance) else { continue }
            if home.records.row(labels.workspace) == nil { stage.violate("nothing leaks", "\(volume.name) has no row") }
        }
    }

    private func checkDecoys() {
        for box in host.boxes where box.decoy && box.facts.state != .running {
            stage.violate("foreign containers are left alone", "\(box.facts.name) does not run any more")
        }
    }
}
