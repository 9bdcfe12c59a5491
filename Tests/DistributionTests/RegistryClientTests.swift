import HTTP
import Model
import Synchronization
import TestSupport
import Testing

@testable import Distribution

/// A registry and its token server, as answers to requests.
private final class FakeWeb: HTTPTransport {
    typealias Answer = @Sendable (OutgoingRequest) throws -> (status: Int, headers: Headers, body: String)

    private let answer: Answer
    private let seen = Mutex<[OutgoingRequest]>([])

    init(_ answer: @escaping Answer) { self.answer = answer }

    var requests: [OutgoingRequest] { seen.withLock { $0 } }
    var heads: Int { requests.count { $0.method == .head } }

    func send(_ request: OutgoingRequest) async throws -> IncomingResponse {
        seen.withLock { $0.append(request) }
        let (status, headers, body) = try answer(request)
        return IncomingResponse(status: status, headers: headers, body: BufferedSource([Array(body.utf8)]))
    }
}

@Suite("Asking a registry what a tag means")
struct RegistryClientTests {
    private static let digest = "sha256:" + String(repeating: "ab", count: 32)
    private let reference = ImageReference("reg.example/team/app:1")
    private let clock = ManualClock()

    private static let challenge: Headers = [
        "WWW-Authenticate": #"Bearer realm="https://auth.example/token",service="reg",scope="repository:team/app:pull""#
    ]

    /// Wants a token, and gives one.
    private static func guarded(_ request: OutgoingRequest) -> (Int, Headers, String) {
        if request.method != .head { return (200, [:], #"{"token":"t1","expires_in":300}"#) }
        guard request.headers["Authorization"] == "Bearer t1" else { return (401, challenge, "") }
        return (200, ["Docker-Content-Digest": digest], "")
    }

    private func client(_ web: FakeWeb, _ logins: any RegistryLoginFinding = NoLogins(), insecure: Set<String> = []) -> RegistryClient {
        RegistryClient(transport: web, logins: logins, insecure: insecure, clock: clock)
    }

    private func failure(_ web: FakeWeb, _ logins: any RegistryLoginFinding = NoLogins()) async -> RegistryFailure? {
        do {
            _ = try await client(web, logins).digest(of: reference)
            return nil
        } catch {
            return error as? RegistryFailure
        }
    }

    @Test("one HEAD with the types of manifests it may be, and the digest is its header")
    func open() async throws {
        let web = FakeWeb { _ in (200, ["Docker-Content-Digest": Self.digest], "") }
        #expect(try await client(web).digest(of: reference) == Self.digest)
        let request = try #require(web.requests.first)
        #expect((web.requests.count, request.method, request.url) == (1, .head, "https://reg.example/v2/team/app/manifests/1"))
        #expect(
            request.headers["Accept"]?.contains("oci.image.index") == true && request.headers["Accept"]?.contains("manifest.list") == true)
    }

    @Test("docker.io answers elsewhere and has a library; this machine and named registries need no TLS")
    func addresses() async throws {
        let web = FakeWeb { _ in (200, ["Docker-Content-Digest": Self.digest], "") }
        for name in ["busybox", "localhost:5000/a", "127.0.0.1:5000/a:2", "plain.example/a", "127.0.0.1.evil.example/a"] {
            _ = try await client(web, insecure: ["plain.example"]).digest(of: ImageReference(name))
        }
        #expect(
            web.requests.map(\.url) == [
                "https://registry-1.docker.io/v2/library/busybox/manifests/latest", "http://localhost:5000/v2/a/manifests/latest",
                "http://127.0.0.1:5000/v2/a/manifests/2", "http://plain.example/v2/a/manifests/latest",
                "https://127.0.0.1.evil.example/v2/a/manifests/latest",
            ])
    }

    @Test("a token is fetched as the registry says, kept for its lifetime, and fetched anew without a refused HEAD")
    func token() async throws {
        let web = FakeWeb(Self.guarded)
        let client = client(web, OneLogin(registry: "reg.example", user: "u", password: "p"))
        #expect(try await client.digest(of: reference) == Self.digest)
        #expect(web.requests[1].url == "https://auth.example/token?service=reg&scope=repository%3Ateam%2Fapp%3Apull")
        #expect(web.requests[1].headers["Authorization"] == "Basic dTpw")
        #expect(web.heads == 2)
        _ = try await client.digest(of: reference)
        #expect((web.heads, web.requests.count) == (3, 4), "the token is still good")
        clock.advance(by: .seconds(280))
        _ = try await client.digest(of: reference)
        #expect((web.heads, web.requests.count) == (4, 6), "a new token first, then one HEAD")
    }

    @Test("an identity token is traded for a token by POST")
    func identityToken() async throws {
        struct Identity: RegistryLoginFinding {
            func login(for registry: String) -> RegistryLogin? { RegistryLogin(user: "<token>", password: "", identityToken: "i d") }
        }
        let web = FakeWeb(Self.guarded)
        _ = try await client(web, Identity()).digest(of: reference)
        let request = web.requests[1]
        guard case .bytes(let bytes) = request.body else {
            Issue.record("no body")
            return
        }
        #expect(request.method == .post && String(decoding: bytes, as: UTF8.self).contains("refresh_token=i%20d"))
    }

    @Test("a login never goes to a token server without TLS, unless the registry has none itself")
    func realms() async {
        let web = FakeWeb { _ in (401, ["WWW-Authenticate": #"Bearer realm="http://evil.example/token""#], "") }
        let failure = await failure(web, OneLogin(registry: "reg.example", user: "u", password: "p"))
        #expect(failure?.code == .registryError)
        #expect(web.requests.allSatisfy { !$0.url.contains("evil") })
    }

    @Test(
        "every refusal has its own code and next step",
        arguments: [
            (404, [:], .imageNotFound), (403, [:], .pullDenied), (500, [:], .registryError), (429, ["Retry-After": "17"], .rateLimited),
            (401, [:], .pullDenied), (302, [:], .registryError), (200, [:], .registryError),
        ] as [(Int, Headers, ErrorCode)])
    func refusals(_ status: Int, _ headers: Headers, _ code: ErrorCode) async {
        let failure = await failure(FakeWeb { _ in (status, headers, "") })
        #expect(failure?.code == code)
        #expect(failure?.next?.isEmpty == false)
        #expect(failure?.retryAfter == (status == 429 ? .seconds(17) : nil))
        #expect(failure?.details["registry"]?.string == "reg.example")
    }

    @Test("a wrong password is told from a good one that may not see the image, and neither is repeated")
    func passwords() async {
        let login = OneLogin(registry: "reg.example", user: "u", password: "s3cret")
        let wrong = await failure(FakeWeb { $0.method == .head ? (401, Self.challenge, "") : (401, [:], "") }, login)
        #expect(wrong?.code == .registryLoginFailed)
        let small = await failure(FakeWeb { $0.method == .head ? (401, Self.challenge, "") : (200, [:], #"{"token":"t"}"#) }, login)
        #expect(small?.code == .pullDenied)
        let basic = await failure(FakeWeb { _ in (401, ["WWW-Authenticate": "Basic realm=\"x\""], "") }, login)
        #expect(basic?.code == .registryLoginFailed)
        for failure in [wrong, small, basic] { #expect("\(failure as Any)".contains("s3cret") == false) }
    }

    @Test(
        "who cannot be reached is told from who is not there",
        arguments: [
            (.cannotResolve, .registryUnknown), (.connectionRefused, .registryUnreachable), (.tls, .registryUnreachable),
            (.totalTimeout, .registryUnreachable),
        ] as [(TransportError.Reason, ErrorCode)])
    func unreachable(_ reason: TransportError.Reason, _ code: ErrorCode) async {
        #expect(await failure(FakeWeb { _ in throw TransportError(reason) })?.code == code)
    }

    @Test("Retry-After is seconds or a date, and never more than a day")
    func retryAfter() throws {
        let now = try #require(Timestamp(rfc3339: "2015-10-21T07:27:00Z"))
        #expect(RetryAfter.duration("5", now: now) == .seconds(5))
        #expect(RetryAfter.duration("Wed, 21 Oct 2015 07:28:00 GMT", now: now) == .seconds(60))
        #expect(RetryAfter.duration("Wed, 21 Oct 2015 07:00:00 GMT", now: now) == .zero)
        #expect(RetryAfter.duration("999999999", now: now) == .seconds(86_400))
        #expect(RetryAfter.duration("soon", now: now) == nil)
    }

    @Test("challenges are read with their quotes, escapes and neighbours")
    func challenges() {
        let all = AuthChallenge.all(in: [
            #"Basic realm="a \"b\"", Bearer realm=https://x,error="insufficient_scope""#, "Negotiate abc==, Digest realm=\"r\"",
        ])
        #expect(all.map(\.scheme).contains("digest") && all.map(\.scheme).prefix(2) == ["basic", "bearer"])
        #expect(all[0].realm == #"a "b""# && all[1].realm == "https://x" && all[1].error == "insufficient_scope")
    }
}

@Suite("Logins for registries")
struct RegistryLoginsTests {
    private func logins(
        _ config: String?, own: JSONValue? = nil, user: String? = nil, token: String? = nil, log: RecordingLog = RecordingLog()
    )
        -> RegistryLogins
    {
        RegistryLogins(own: own, ghcrUser: user, ghcrToken: token, configPath: "/c/config.json", log: log) { path in
            path == "/c/config.json" ? config.map { Array($0.utf8) } : nil
        }
    }

    @Test("GitHub's is trimmed, and half of one is none")
    func github() {
        #expect(logins(nil, user: " u ", token: "t\n").login(for: "ghcr.io") == RegistryLogin(user: "u", password: "t"))
        #expect(logins(nil, user: "u", token: "  ").login(for: "ghcr.io") == nil)
        #expect(logins(nil, user: "u", token: "t").login(for: "docker.io") == nil)
    }

    @Test("Docker's own file is read in all its spellings")
    func config() {
        let found = logins(
            #"{"auths":{"https://index.docker.io/v1/":{"auth":"dTpw"},"reg:5000":{"username":"a","password":"b"},"#
                + #""https://id.example":{"identitytoken":"i"},"bad.example":{"auth":"!!"}}}"#)
        #expect(found.login(for: "docker.io") == RegistryLogin(user: "u", password: "p"))
        #expect(found.login(for: "reg:5000") == RegistryLogin(user: "a", password: "b"))
        #expect(found.login(for: "id.example")?.identityToken == "i")
        #expect(found.login(for: "bad.example") == nil && found.login(for: "other") == nil)
    }

    @Test("the operator's own goes before the file, and a broken file is told once")
    func order() {
        let own: JSONValue = ["reg:5000": ["username": "own", "password": "o"]]
        #expect(logins(#"{"auths":{"reg:5000":{"auth":"dTpw"}}}"#, own: own).login(for: "reg:5000")?.user == "own")
        let log = RecordingLog()
        let broken = logins("{", log: log)
        #expect(broken.login(for: "a") == nil && broken.login(for: "b") == nil)
        #expect(log.text.count == 1)
    }

    @Test("base64 is read with and without padding, in both alphabets")
    func base64() {
        #expect([[], [1], [1, 2], [1, 2, 3]].map { Base64.encoded($0) } == ["", "AQ==", "AQI=", "AQID"])
        #expect(Base64.encoded([0xFB, 0xFF, 0xFE], .url) == "-__-" && Base64.encoded([0xFB, 0xFF, 0xFE]) == "+//+")
        for text in ["-__-", "+//+"] { #expect(Base64.decoded(text) == [0xFB, 0xFF, 0xFE]) }
        #expect(Base64.decoded("AQ") == [1] && Base64.decoded("AQ==") == [1] && Base64.decoded("A") == nil && Base64.decoded("A*") == nil)
    }
}
