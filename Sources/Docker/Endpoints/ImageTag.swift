internal import HTTP
internal import Model

/// Maps to `POST /images/{name}/tag`: gives an image one more name, and takes it from whichever image had it.
struct ImageTag: EngineEndpoint {
    let image: String
    let reference: ImageReference

    var call: EngineCall {
        EngineCall(
            method: .post, path: "/images/\(PercentCoding.encoded(image, keeping: "/:@"))/tag",
            query: [("repo", reference.name), ("tag", reference.tag)])
    }

    func answer(_ reply: EngineReply) {}

    func meaning(of status: Int) -> BackendError {
        guard status == 404 else { return .general(status, doing: "name an image") }
        return BackendError(
            .missing, .imageNotFound, "The image that was to be named is not there any more.", next: "Pull it again.",
            details: ["image": .string(reference.description)])
    }
}
