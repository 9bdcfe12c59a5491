internal import HTTP
internal import Model

/// Maps to `GET /version`, without a version: which versions the engine accepts.
struct Version: EngineEndpoint {
    struct Identity: Sendable, Hashable {
        let release: String
        let newest: APIVersion?
        let oldest: APIVersion?
        let operatingSystem: String
    }

    var call: EngineCall { EngineCall(method: .get, path: "/version", patience: .probing) }

    func answer(_ reply: EngineReply) throws -> Identity {
        let json = try reply.json("its version")
        return Identity(
            release: json["Version"]?.string ?? "", newest: json["ApiVersion"]?.string.flatMap(APIVersion.init),
            oldest: json["MinAPIVersion"]?.string.flatMap(APIVersion.init), operatingSystem: json["Os"]?.string ?? "")
    }

    func meaning(of status: Int) -> BackendError { .general(status, doing: "tell its version") }
}
