import Model
import Synchronization
import Testing

/// Answers each lookup of a name with the next of its lists; the last list stays.
final class ScriptedResolver: HostResolving {
    struct NoSuchHost: Error {}

    private let answers: Mutex<[String: [[String]]]>
    private let lookups = Mutex(0)

    init(_ answers: [String: [[String]]] = [:]) { self.answers = Mutex(answers) }

    var lookupCount: Int { lookups.withLock { $0 } }

    func addresses(of host: String) async throws -> [String] {
        lookups.withLock { $0 += 1 }
        return try answers.withLock { answers in
            guard let lists = answers[host], let first = lists.first else { throw NoSuchHost() }
            if lists.count > 1 { answers[host] = Array(lists.dropFirst()) }
            return first
        }
    }
}

@Suite("The guard of agents' addresses")
struct AgentURLGuardTests {
    private static let resolver = ScriptedResolver([
        "public.example": [["93.184.216.34", "2606:2800:220:1::1"]], "inside.example": [["10.0.0.5"]],
        "mixed.example": [["93.184.216.34", "127.0.0.1"]],
        "localhost": [["127.0.0.1", "::1"]], "linklocal.example": [["fe80::1%eth0"]], "empty.example": [[]],
        "odd.example": [["not an address"]],
        "metadata.google.internal": [["169.254.169.254"]],
    ])

    private func allows(_ url: String, _ mode: AddressPolicy.Mode) async -> Bool {
        do {
            try await AgentURLGuard(mode: mode, resolver: Self.resolver).check(url)
            return true
        } catch {
            #expect((error as? Failure)?.code == .unsafeURL)
            return false
        }
    }

    @Test(
        "addresses of this host, its networks and no one are refused",
        arguments: [
            "file:///etc/passwd", "://x", "http://169.254.169.254/", "http://127.0.0.1:8080", "http://[::1]:1", "http://[fe80::1]:1",
            "http://[fd00::1]:1",
            "http://[::ffff:169.254.169.254]:80", "http://10.0.0.1", "http://203.0.113.1", "http://100.64.0.1", "http://224.0.0.1",
            "http://[2001:db8::1]",
            "http://0x7f.1", "http://2130706433", "http://0177.0.0.1", "http://0.0.0.0:8000", "http://[64:ff9b::a00:1]",
            "http://[2002:a00:1::]", "http://localhost:8000",
            "http://inside.example", "http://mixed.example", "http://linklocal.example", "http://empty.example", "http://odd.example",
            "http://unknown.example",
            "http://metadata.google.internal/",
        ])
    func strict(url: String) async {
        #expect(await !allows(url, .strict))
    }

    @Test(
        "public addresses are allowed in every mode",
        arguments: ["http://public.example:8000/a2a", "https://93.184.216.34", "http://[2606:4700::1]:80"])
    func publicAddresses(url: String) async {
        for mode in AddressPolicy.Mode.allCases { #expect(await allows(url, mode)) }
    }

    @Test("private networks open with saas, loopback only in development")
    func modes() async {
        #expect(await allows("http://172.31.1.5:8000", .saas))
        #expect(await allows("http://[fd00::1]:8000", .saas))
        #expect(await allows("http://inside.example", .saas))
        for url in [
            "http://169.254.1.1", "http://127.0.0.1", "http://203.0.113.1", "http://100.64.0.1", "http://[fc00::1]", "http://localhost",
        ] {
            #expect(await !allows(url, .saas))
        }
        #expect(await allows("http://localhost:8000", .development))
        #expect(await allows("http://127.0.0.1:8000", .development))
        #expect(await !allows("http://169.254.169.254", .development))
    }

    @Test("the address that was checked is the address that is pinned")
    func pins() async throws {
        let vetted = try await AgentURLGuard(mode: .strict, resolver: Self.resolver).vetted("http://PUBLIC.example:8000/a?b#c")
        #expect(vetted == VettedURL(url: "http://public.example:8000/a?b", pinnedAddress: "93.184.216.34"))
    }
}
