internal import HTTP
internal import Model

/// Maps to `POST /containers/{id}/rename?name=`. One that has the name already is success.
struct ContainerRename: EngineEndpoint {
    let id: String
    let name: String

    var call: EngineCall {
        EngineCall(method: .post, path: "/containers/\(EngineCall.component(id))/rename", query: [("name", name)])
    }

    func answer(_ reply: EngineReply) {}

    func meaning(of status: Int) -> BackendError {
        switch status {
        case 404:
            BackendError(.missing, .containerMissing, "The container is gone.", next: "Start the workspace again.")
        case 409:
            BackendError(
                .conflict, .nameConflict, "Another container has the name \(name).",
                next: "Remove it if it is yours; Berth does not touch foreign containers.", details: ["name": .string(name)])
        default: .general(status, doing: "rename a container")
        }
    }
}
