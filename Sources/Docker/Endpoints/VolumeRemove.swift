internal import HTTP
internal import Model

/// Maps to `DELETE /volumes/{name}`. A volume that is gone is success.
struct VolumeRemove: EngineEndpoint {
    let name: String

    var call: EngineCall { EngineCall(method: .delete, path: "/volumes/\(EngineCall.component(name))") }
    var accepted: Set<Int> { [204, 404] }

    func answer(_ reply: EngineReply) {}

    func meaning(of status: Int) -> BackendError {
        guard status == 409 else { return .general(status, doing: "remove a volume") }
        return BackendError(
            .conflict, .volumeInUse, "A container still holds the volume.", next: "Remove the container first.",
            details: ["volume": .string(name)])
    }
}
