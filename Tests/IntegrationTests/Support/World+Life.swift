import Foundation
import HTTP
import Model
import TestSupport
import Testing

/// Settings under which everything that waits waits for a second or so.
let quickLife = [
    "STOP_GRACE_SECONDS": "2", "ORPHAN_SWEEP_INTERVAL_SECONDS": "1", "ORPHAN_GRACE_SECONDS": "1", "RECOVERY_INTERVAL_SECONDS": "1",
]

extension World {
    /// An echo workspace whose agent has registered.
    func online(_ daemon: Daemon, _ name: String = "w") async throws -> String {
        let reply = try await daemon.call(.post, "/workspaces", ["name": .string(name), "template": "echo"])
        let id = try #require(reply.body["id"]?.string, "\(reply)")
        _ = try await daemon.workspace(id, reaches: ["online"])
        return id
    }

    /// The containers of one workspace.
    func containers(of id: String) throws -> [JSONValue] { try containers(also: "\(WorkspaceLabels.workspaceID)=\(id)") }

    func onlyContainer(of id: String) throws -> JSONValue {
        let all = try containers(of: id)
        try #require(all.count == 1, "\(all.count) containers of \(id)")
        return all[0]
    }

    /// Leaves a mark of the agent's work on the volumes and in the container itself.
    func mark(_ id: String) throws {
        let container = try #require(try onlyContainer(of: id)["Id"]?.string)
        try docker("exec", container, "sh", "-c", "echo \(id) >/workspace/mark && echo \(id) >/configs/mark && echo \(id) >/tmp/mark")
    }

    func mark(of id: String, at path: String) throws -> String {
        let container = try #require(try onlyContainer(of: id)["Id"]?.string)
        return try docker("exec", container, "cat", path).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// The database as an operator loses it: the file removed, the schema dropped. The daemon must not run.
    func loseDatabase() async throws {
        switch database {
        case .sqlite:
            for end in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: directory + "/state/berth.db" + end) }
        case .postgres:
            let url = try #require(environment()["DATABASE_URL"])
            _ = try await PostgresServer.shared().psql(url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public;")
        }
    }
}

extension JSONValue {
    var containerIsRunning: Bool { self["State"]?["Running"]?.bool == true }
    var containerID: String { self["Id"]?.string ?? "" }
}
