internal import HTTP
internal import Model

/// Maps to `GET /info`: where the engine keeps its data, and how many processors it has.
struct Info: EngineEndpoint {
    struct Answer: Sendable, Hashable {
        let rootDirectory: String?
        let processors: Int?
    }

    var call: EngineCall { EngineCall(method: .get, path: "/info") }

    func answer(_ reply: EngineReply) throws -> Answer {
        let json = try reply.json("its information")
        return Answer(rootDirectory: json["DockerRootDir"]?.string, processors: json["NCPU"]?.int)
    }

    func meaning(of status: Int) -> BackendError { .general(status, doing: "describe itself") }
}
