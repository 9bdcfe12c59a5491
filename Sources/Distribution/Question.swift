import HTTP
import Model

/// One question to a registry, and what its answers mean.
struct Question {
    let reference: ImageReference
    let login: RegistryLogin?
    let isInsecure: Bool

    /// Docker's own registry answers at another name than the one that references have.
    private var host: String { reference.registry == ImageReference.defaultRegistry ? "registry-1.docker.io" : reference.registry }

    var manifestURL: String {
        "\(isInsecure ? "http" : "https")://\(host)/v2/\(PercentCoding.encoded(reference.repository, keeping: "/"))/manifests/"
            + PercentCoding.encoded(reference.tag, keeping: ":")
    }

    var tokenKey: TokenKey { TokenKey(registry: reference.registry, repository: reference.repository, login: login) }

    private var details: JSONObject { ["image": .string("\(reference)"), "registry": .string(reference.registry)] }

    func failure(_ answer: IncomingResponse, now: Timestamp) -> RegistryFailure {
        switch answer.status {
        case 401, 403: refused(AuthChallenge.all(in: answer.headers.all("WWW-Authenticate")))
        case 404:
            RegistryFailure(
                .imageNotFound, "the registry \(reference.registry) has no \(reference)",
                next: login == nil
                    ? "Check its name and tag; some registries say the same of a private image when nobody is logged in."
                    : "Check its name and tag.", details: details)
        default: passing(answer, now)
        }
    }

    func tokenFailure(_ answer: IncomingResponse, now: Timestamp) -> RegistryFailure {
        switch answer.status {
        case 401: login == nil ? denied : loginFailed
        case 403: denied
        case 400: login?.identityToken == nil ? passing(answer, now) : loginFailed
        default: passing(answer, now)
        }
    }

    private func refused(_ challenges: [AuthChallenge]) -> RegistryFailure {
        guard login != nil else { return denied }
        // Whoever has a token that is too small is known, and may not see it.
        return challenges.contains { $0.error == "insufficient_scope" || $0.scheme == "bearer" } ? denied : loginFailed
    }

    private var denied: RegistryFailure {
        RegistryFailure(
            .pullDenied,
            login == nil
                ? "\(reference) is private, and nobody is logged in to \(reference.registry)"
                : "the login for \(reference.registry) may not pull \(reference)",
            next: reference.registry == "ghcr.io"
                ? "Set GHCR_USER and GHCR_TOKEN to an account that may pull it."
                : "Log in with an account that may pull it: `docker login \(reference.registry)`, or REGISTRY_LOGINS.", details: details)
    }

    private var loginFailed: RegistryFailure {
        RegistryFailure(
            .registryLoginFailed, "\(reference.registry) does not take the login it was given",
            next: "Correct \(reference.registry == "ghcr.io" ? "GHCR_USER and GHCR_TOKEN" : "REGISTRY_LOGINS, or `docker login` again").",
            details: details)
    }

    private func passing(_ answer: IncomingResponse, _ now: Timestamp) -> RegistryFailure {
        let retryAfter = RetryAfter.duration(answer.headers["Retry-After"], now: now)
        if answer.status == 429 {
            return RegistryFailure(
                .rateLimited, "\(reference.registry) wants fewer requests", next: "Wait; logging in often raises the limit.",
                details: details, retryAfter: retryAfter)
        }
        guard answer.status >= 500 else { return unreadable("it answered \(answer.status)") }
        return RegistryFailure(
            .registryError, "\(reference.registry) failed with status \(answer.status)",
            next: "It is tried again; look at the registry when it stays so.", details: details, retryAfter: retryAfter)
    }

    /// `whom` is the registry, or its token server.
    func failure(_ error: TransportError, at whom: String) -> RegistryFailure {
        guard error.reason == .cannotResolve else {
            let how = error.reason == .tls ? "TLS with \(whom) fails" : "nobody answers at \(whom)"
            return RegistryFailure(
                .registryUnreachable, how,
                next: error.reason == .tls
                    ? "Look at its certificate; for a registry without TLS set INSECURE_REGISTRIES."
                    : "Look at the network and the registry, then try again.", details: details)
        }
        return RegistryFailure(
            .registryUnknown, "there is no host for \(whom)", next: "Correct the image's name, or this host's DNS.", details: details)
    }

    var noDigest: RegistryFailure { unreadable("it names no digest") }

    func unreadable(_ why: String) -> RegistryFailure {
        RegistryFailure(
            .registryError, "\(reference.registry) cannot be understood: \(why)", next: "See whether it is an OCI registry.",
            details: details)
    }
}

/// RFC 9110, 10.2.3: seconds, or a date.
enum RetryAfter {
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    static func duration(_ text: String?, now: Timestamp) -> Duration? {
        guard let text else { return nil }
        if let seconds = Int(text.filter { !$0.isWhitespace }) { return .seconds(max(0, min(seconds, 86_400))) }
        // Wed, 21 Oct 2015 07:28:00 GMT
        let words = text.split(separator: " ")
        guard words.count == 6, let day = Int(words[1]), let month = months.firstIndex(of: String(words[2])), let year = Int(words[3])
        else {
            return nil
        }
        let pad = { (number: Int) in (number < 10 ? "0" : "") + String(number) }
        guard let time = Timestamp(rfc3339: "\(year)-\(pad(month + 1))-\(pad(day))T\(words[4])Z") else { return nil }
        return min(max(.zero, time - now), .seconds(86_400))
    }
}
