import HTTP
import Model
import Provisioner

/// A closer look at one workspace: what its container is, what it wrote, what was done to it.
struct InspectionRoutes: Sendable {
    let services: APIServices

    var routes: [Route] {
        [
            Route(.get, "/workspaces/:id/inspect", at: [.people, .agents], for: .workspace, serve: inspect),
            Route(.get, "/workspaces/:id/operations", for: .workspace, serve: operations),
            Route(.get, "/workspaces/:id/console", for: .admin, serve: console),
        ]
    }

    private func inspect(_ call: Call) async throws -> Response {
        let id = try call.workspaceID()
        guard let workspace = try await services.workspaces.workspace(id) else { throw WorkspaceRoutes.missing }
        var inspection = WorkspaceInspection(workspace: workspace)
        // The engine has nothing of an agent that lives elsewhere: nobody needs to ask it.
        guard !workspace.external else { return .json(200, inspection.json(showingHost: call.visitor.isPerson)) }
        let containers = try await services.containers.containers(of: id)
        if let newest = try await services.containers.newest(of: id) {
            // Gone between the two looks is as good as never there.
            inspection.details = try await services.containers.details(of: newest.id)
            inspection.others = containers.filter { $0.id != newest.id }
        }
        inspection.volumes = try await services.containers.volumes(of: id)
        return .json(200, inspection.json(showingHost: call.visitor.isPerson))
    }

    private func operations(_ call: Call) async throws -> Response {
        let id = try call.workspaceID()
        let limit = try call.request.query.number("limit", in: 1...200, standard: 20)
        guard try await services.workspaces.workspace(id) != nil else { throw WorkspaceRoutes.missing }
        let operations = try await services.operations.operations(of: id, limit: limit)
        return .json(200, ["operations": .array(operations.map(json))])
    }

    private func json(_ operation: WorkspaceOperation) -> JSONValue {
        let position = operation.state == .queued ? services.provisioner.queuePosition(of: operation.workspaceID) : nil
        return [
            "id": .int(operation.id), "kind": .string(operation.kind.rawValue), "state": .string(operation.state.rawValue),
            "position": .optional(position), "reason": .optional(operation.reason), "code": .optional(operation.code?.rawValue),
            "requested_at": .string(operation.requestedAt.rfc3339), "started_at": .optional(operation.startedAt?.rfc3339),
            "ended_at": .optional(operation.endedAt?.rfc3339),
        ]
    }

    private func console(_ call: Call) async throws -> Response {
        let id = try call.workspaceID()
        guard let workspace = try await services.workspaces.workspace(id) else { throw WorkspaceRoutes.missing }
        guard let container = try await services.containers.newest(of: id) else {
            guard let tail = workspace.failure?.logTail else { throw LogRoutes.nothing(workspace) }
            return .json(200, ["output": .string(tail)])
        }
        var output = ConsoleOutput()
        let options = LogOptions(tail: ConsoleOutput.limit)
        for try await chunk in try await services.containers.logs(of: container.id, options) { output.append(chunk.bytes) }
        return .json(200, ["output": .string(output.text)])
    }
}

/// The end of what a container wrote. A line is at least one byte, so as many lines as bytes are kept are never too few.
struct ConsoleOutput {
    static let limit = 64 * 1024
    private var bytes: [UInt8] = []

    mutating func append(_ chunk: [UInt8]) {
        bytes += chunk
        if bytes.count > Self.limit * 2 { bytes.removeFirst(bytes.count - Self.limit) }
    }

    /// From the beginning of a character on.
    var text: String {
        guard bytes.count > Self.limit else { return String(decoding: bytes, as: UTF8.self) }
        return String(decoding: bytes.suffix(Self.limit).drop { $0 & 0xC0 == 0x80 }, as: UTF8.self)
    }
}
