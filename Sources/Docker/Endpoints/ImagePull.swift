internal import HTTP
internal import Model

/// Maps to `POST /images/create`: pulls one image, answering with JSON lines while it goes on.
struct ImagePull: EngineStream {
    let reference: ImageReference
    let platform: String?
    /// The value of `X-Registry-Auth`; nil pulls anonymously.
    let authorization: String?

    var call: EngineCall {
        var call = EngineCall(
            method: .post, path: "/images/create", query: [("fromImage", reference.name), ("tag", reference.tag)], patience: .pulling)
        if let platform { call.query.append(("platform", platform)) }
        if let authorization { call.headers["X-Registry-Auth"] = authorization }
        return call
    }

    /// The engine answers 404 both for an image that does not exist and for one we may not see.
    func meaning(of status: Int) -> BackendError {
        switch status {
        case 400:
            BackendError(
                .refused, .engineRequestInvalid, "The image name \(name) is not valid.",
                next: "Correct the image in the template's config.yaml.",
                details: details)
        case 401, 403: denied
        case 404:
            BackendError(
                .missing, .imageNotFound, "The image \(name) does not exist in its registry, or may not be pulled from here.",
                next: "Check its name and tag; if it is private, set GHCR_USER and GHCR_TOKEN; if you build it yourself, build it first.",
                details: details)
        default: failed
        }
    }

    /// What an error line in the middle of the stream means; `code` is the registry's status where the engine passes it on.
    /// A layer that arrived damaged, or does not fit, has no status of its own, only words. What did not fit is taken away again before the
    /// line comes, so the disk itself no longer tells.
    func failure(line code: Int?, words: String) -> BackendError {
        switch code {
        case 401?, 403?, 404?: meaning(of: code ?? 0)
        case _ where words.contains("verification failed"): damaged
        case _ where words.contains("no space left on device"): .diskFull
        default: failed
        }
    }

    private var damaged: BackendError {
        BackendError(
            .failed, .imageDamaged, "A layer of the image \(name) arrived damaged: it is not what its digest says.",
            next: "Try again; when it happens again, look at what stands between this host and the registry.", details: details)
    }

    var stalled: BackendError {
        BackendError(
            .failed, .pullStalled, "The pull of the image \(name) stopped moving and was cut.",
            next: "Check the connection to the registry, then try again: layers that are complete are kept.", details: details)
    }

    var failed: BackendError {
        BackendError(
            .failed, .pullFailed, "The image \(name) could not be pulled.",
            next: "Check that the registry can be reached from this host and that the credentials are right. " + BackendError.seeLog,
            details: details)
    }

    private var denied: BackendError {
        BackendError(
            .refused, .pullDenied, "The registry does not let us pull the image \(name).",
            next: "Set GHCR_USER and GHCR_TOKEN to an account that may.",
            details: details)
    }

    private var name: String { reference.description }
    private var details: JSONObject { ["image": .string(name)] }
}
