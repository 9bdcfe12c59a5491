internal import HTTP
internal import Model

/// Maps to `GET /images/{name}/json`. nil when the engine does not have it.
struct ImageInspect: EngineEndpoint {
    let reference: String

    var call: EngineCall { EngineCall(method: .get, path: "/images/\(PercentCoding.encoded(reference, keeping: "/:@"))/json") }
    var accepted: Set<Int> { [200, 404] }

    func answer(_ reply: EngineReply) throws -> ImageFacts? {
        guard reply.status == 200 else { return nil }
        let json = try reply.json("an image")
        guard let id = json["Id"]?.string else { throw EngineError.unreadable("an image", body: reply.body) }
        return ImageFacts(
            id: id, digests: json["RepoDigests"]?.array?.compactMap(\.string) ?? [],
            names: json["RepoTags"]?.array?.compactMap(\.string) ?? [],
            environment: EnvironmentVariable.list(json["Config"]?["Env"]), sizeBytes: Int64(json["Size"]?.int ?? 0))
    }

    func meaning(of status: Int) -> BackendError {
        .general(status, doing: "inspect the image", status < 500 ? .engineRequestInvalid : .engineError)
    }
}
