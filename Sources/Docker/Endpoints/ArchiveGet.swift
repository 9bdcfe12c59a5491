internal import HTTP
internal import Model

/// Maps to `GET /containers/{id}/archive`: a file or directory of a container, in any state, as a tar archive.
struct ArchiveGet: EngineStream {
    let id: String
    let path: String

    var call: EngineCall {
        EngineCall(method: .get, path: "/containers/\(EngineCall.component(id))/archive", query: [("path", path)], patience: .creating)
    }

    func meaning(of status: Int) -> BackendError {
        guard status == 404 else { return .general(status, doing: "copy files out of the container", .copyFailed) }
        return BackendError(.missing, .pathMissing, "There is no such file in the container.", details: ["path": .string(path)])
    }
}
