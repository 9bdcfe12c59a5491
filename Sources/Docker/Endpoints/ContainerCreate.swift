internal import HTTP
internal import Model

/// Maps to `POST /containers/create`. The body is made by `ContainerSpec.engineBody`.
struct ContainerCreate: EngineEndpoint {
    struct Made: Sendable, Hashable {
        let id: String
        /// What the engine could not do as asked, for example limit swap on this kernel.
        let warnings: [String]
    }

    let name: String
    let image: String
    let platform: String?
    let body: JSONValue

    var call: EngineCall {
        var call = EngineCall(method: .post, path: "/containers/create", query: [("name", name)], body: .json(body), patience: .creating)
        if let platform { call.query.append(("platform", platform)) }
        return call
    }

    func answer(_ reply: EngineReply) throws -> Made {
        let json = try reply.json("a new container")
        guard let id = json["Id"]?.string else { throw EngineError.unreadable("a new container", body: reply.body) }
        return Made(id: id, warnings: json["Warnings"]?.array?.compactMap(\.string) ?? [])
    }

    func meaning(of status: Int) -> BackendError {
        switch status {
        case 400:
            BackendError(
                .refused, .engineRequestInvalid, "The Docker engine refused the settings of the container.",
                next: "Check memory, processors and mounted directories of the workspace. " + BackendError.seeLog)
        case 404:
            BackendError(
                .missing, .imageNotFound, "The image is not on this engine.", next: "Build or pull it, then create the workspace again.",
                details: ["image": .string(image)])
        case 409: nameConflict
        default: .general(status, doing: "create the container")
        }
    }

    var nameConflict: BackendError {
        BackendError(
            .conflict, .nameConflict, "A container of this name exists already.",
            next: "Remove or rename that container if it is not one of ours.", details: ["container": .string(name)])
    }
}
