public import HTTP
public import Model
import Synchronization

/// Asks OCI registries what a tag means: one HEAD for each question, and a token when one is wanted and none is held. Never a manifest's body:
/// registries count those.
public final class RegistryClient: ManifestLooking {
    private let transport: any HTTPTransport
    private let logins: any RegistryLoginFinding
    private let insecure: Set<String>
    private let tokens: TokenCache
    private let challenges = Mutex<[TokenKey: AuthChallenge]>([:])
    private let clock: any TimeSource

    /// `insecure` are hosts, with their ports, that are spoken to without TLS, beside those of this machine.
    public init(
        transport: any HTTPTransport, logins: any RegistryLoginFinding, insecure: Set<String> = [], clock: any TimeSource
    ) {
        self.transport = transport
        self.logins = logins
        self.insecure = insecure
        self.clock = clock
        tokens = TokenCache(clock: clock)
    }

    private static let limits = ExchangeLimits(connect: .seconds(5), head: .seconds(10), total: .seconds(10))
    static let accepted = [
        "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.docker.distribution.manifest.v2+json",
    ].joined(separator: ", ")

    public func digest(of reference: ImageReference) async throws -> String {
        let question = Question(
            reference: reference, login: logins.login(for: reference.registry), isInsecure: isInsecure(reference.registry))
        if let authorization = try await known(question) {
            let answer = try await look(question, authorization: authorization)
            // A token can be taken back before its time.
            guard [401, 403].contains(answer.status) else { return try digest(answer, question) }
            tokens.forget(question.tokenKey)
        }
        let bare = try await look(question, authorization: nil)
        guard bare.status == 401 else { return try digest(bare, question) }
        let authorization = try await self.authorization(for: bare, question)
        let answer = try await look(question, authorization: authorization)
        // A token that does not help now must not be shown again when somebody was let in meanwhile.
        if answer.status != 200 { tokens.forget(question.tokenKey) }
        return try digest(answer, question)
    }

    /// What the registry wanted last time, so that one HEAD is enough the next.
    private func known(_ question: Question) async throws -> String? {
        if let token = tokens.token(for: question.tokenKey) { return "Bearer \(token)" }
        guard let challenge = challenges.withLock({ $0[question.tokenKey] }), let realm = challenge.realm else { return nil }
        return "Bearer \(try await token(from: realm, challenge, question))"
    }

    /// As Docker does: what is on this machine needs no TLS.
    private func isInsecure(_ registry: String) -> Bool {
        let host = registry.hasPrefix("[") ? String(registry.dropFirst().prefix { $0 != "]" }) : String(registry.prefix { $0 != ":" })
        // An address, not a name that begins like one: a login would go there in clear.
        let address = IPAddress(parsing: host)?.description
        return host == "localhost" || address?.hasPrefix("127.") == true || address == "::1" || insecure.contains(registry)
    }

    private func look(_ question: Question, authorization: String?) async throws -> IncomingResponse {
        var request = OutgoingRequest(.head, question.manifestURL, headers: ["Accept": Self.accepted], limits: Self.limits)
        if let authorization { request.headers["Authorization"] = authorization }
        return try await reaching(question.reference.registry, question) { [request] in try await self.transport.send(request) }
    }

    /// `whom` is the registry, or its token server.
    private func reaching<Result: Sendable>(
        _ whom: String, _ question: Question, _ body: @Sendable () async throws -> Result
    ) async throws -> Result {
        do {
            return try await body()
        } catch let error as TransportError {
            if error.reason == .cancelled { throw CancellationError() }
            throw question.failure(error, at: whom)
        }
    }

    private func digest(_ answer: IncomingResponse, _ question: Question) throws -> String {
        guard answer.status == 200 else { throw question.failure(answer, now: clock.now()) }
        guard let digest = answer.headers["Docker-Content-Digest"], ImageReference.isDigest(digest) else { throw question.noDigest }
        return digest
    }
}

// MARK: - Who asks

extension RegistryClient {
    private func authorization(for refusal: IncomingResponse, _ question: Question) async throws -> String {
        let challenges = AuthChallenge.all(in: refusal.headers.all("WWW-Authenticate"))
        if let bearer = challenges.first(where: { $0.scheme == "bearer" }), let realm = bearer.realm {
            self.challenges.withLock { $0[question.tokenKey] = bearer }
            return "Bearer \(try await token(from: realm, bearer, question))"
        }
        guard challenges.contains(where: { $0.scheme == "basic" }), let login = question.login else {
            throw question.failure(refusal, now: clock.now())
        }
        return Self.basic(login)
    }

    private func token(from realm: String, _ challenge: AuthChallenge, _ question: Question) async throws -> String {
        // A login never leaves by a line that its registry does not use itself.
        guard realm.hasPrefix("https://") || question.isInsecure && realm.hasPrefix("http://") else {
            throw question.unreadable("its token server's address is no https URL")
        }
        let request = Self.request(to: realm, challenge, question)
        let bytes = try await reaching("the token server of \(question.reference.registry)", question) { () -> [UInt8] in
            let answer = try await self.transport.send(request)
            guard answer.status == 200 else { throw question.tokenFailure(answer, now: self.clock.now()) }
            return try await answer.body.collect(limit: 1 << 20)
        }
        let body = try? JSONValue(parsing: bytes)
        guard let token = [body?["token"]?.string, body?["access_token"]?.string].lazy.compactMap({ $0 }).first(where: { !$0.isEmpty })
        else {
            throw question.unreadable("its token server gave no token")
        }
        tokens.keep(token, for: question.tokenKey, seconds: body?["expires_in"]?.int ?? 60)
        return token
    }

    private static func request(to realm: String, _ challenge: AuthChallenge, _ question: Question) -> OutgoingRequest {
        let scope = challenge.parameters["scope"] ?? "repository:\(question.reference.repository):pull"
        var fields = [("service", challenge.parameters["service"] ?? ""), ("scope", scope)].filter { !$0.1.isEmpty }
        if let token = question.login?.identityToken {
            fields += [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", "berthd")]
            var request = OutgoingRequest(
                .post, realm, headers: ["Content-Type": "application/x-www-form-urlencoded"], limits: limits)
            request.body = .bytes(Array(encoded(fields).utf8))
            return request
        }
        let url = realm + (realm.contains("?") ? "&" : "?") + encoded(fields)
        var request = OutgoingRequest(.get, url, limits: limits)
        if let login = question.login { request.headers["Authorization"] = basic(login) }
        return request
    }

    private static func encoded(_ fields: [(String, String)]) -> String {
        fields.map { "\($0.0)=\(PercentCoding.encoded($0.1))" }.joined(separator: "&")
    }

    private static func basic(_ login: RegistryLogin) -> String { "Basic " + Base64.encoded(Array("\(login.user):\(login.password)".utf8)) }
}

/// What one token is for, and who asked.
struct TokenKey: Hashable {
    let registry: String
    let repository: String
    let login: RegistryLogin?
}

/// Tokens by registry, repository and login, for as long as they hold.
final class TokenCache: Sendable {
    private struct Entry {
        let token: String
        let until: Timestamp
    }

    private let clock: any TimeSource
    private let entries = Mutex<[TokenKey: Entry]>([:])

    init(clock: any TimeSource) { self.clock = clock }

    func token(for key: TokenKey) -> String? {
        let now = clock.now()
        return entries.withLock { $0[key].flatMap { $0.until > now ? $0.token : nil } }
    }

    /// A tenth of its life is left out: it must hold until the registry reads it.
    func keep(_ token: String, for key: TokenKey, seconds: Int) {
        let now = clock.now()
        let life = max(1, min(seconds, 86_400))
        entries.withLock { entries in
            entries = entries.filter { $0.value.until > now }
            entries[key] = Entry(token: token, until: now + .seconds(life - life / 10))
        }
    }

    func forget(_ key: TokenKey) { entries.withLock { $0[key] = nil } }
}
