internal import HTTP
internal import Model

/// Maps to `PUT /containers/{id}/archive`: unpacks a tar archive in a directory of a container, which may never have run.
struct ArchivePut: EngineEndpoint {
    let id: String
    let directory: String
    let archive: [UInt8]

    var call: EngineCall {
        EngineCall(
            method: .put, path: "/containers/\(EngineCall.component(id))/archive",
            query: [("path", directory), ("noOverwriteDirNonDir", "1")], body: .tar(archive), patience: .creating)
    }

    func answer(_ reply: EngineReply) {}

    /// 404 is about the directory unless the container is gone, which only a look can tell (`LocalEngine.copy`).
    func meaning(of status: Int) -> BackendError {
        switch status {
        case 403:
            BackendError(
                .refused, .copyFailed, "Files cannot be copied: that part of the container is read-only.", next: "Mount a volume there.",
                details: details)
        case 404:
            BackendError(
                .missing, .pathMissing, "The directory to copy to is not in the container.",
                next: "Let the image have it, or mount a volume there.",
                details: details)
        default: .general(status, doing: "copy files into the container", .copyFailed)
        }
    }

    private var details: JSONObject { ["directory": .string(directory)] }
}
