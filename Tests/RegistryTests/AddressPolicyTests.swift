import Model
import Testing

/// The table of `docs/wire/registry.md`: what is allowed in which mode.
@Suite("The address policy")
struct AddressPolicyTests {
    enum Verdict: Sendable { case always, privately, inDevelopment, never }

    private static let rows: [(String, Verdict)] = [
        ("8.8.8.8", .always), ("1.1.1.1", .always), ("100.63.255.255", .always), ("100.128.0.1", .always), ("172.15.255.255", .always),
        ("172.32.0.1", .always), ("198.17.255.255", .always), ("198.20.0.1", .always), ("223.255.255.255", .always), ("192.0.1.1", .always),
        ("2606:4700::1111", .always), ("2a00:1450:4001::1", .always), ("2001:4860:4860::8888", .always), ("::ffff:8.8.8.8", .always),
        ("10.0.0.1", .privately), ("10.255.255.255", .privately), ("172.16.0.1", .privately), ("172.31.1.5", .privately),
        ("192.168.0.1", .privately), ("fd00::1", .privately), ("fdff:ffff::1", .privately), ("::ffff:10.0.0.1", .privately),
        ("127.0.0.1", .inDevelopment), ("127.255.255.255", .inDevelopment), ("::1", .inDevelopment), ("::ffff:127.0.0.1", .inDevelopment),
        ("169.254.169.254", .never), ("169.254.0.1", .never), ("::ffff:169.254.169.254", .never), ("fe80::1", .never), ("febf::1", .never),
        ("fec0::1", .never), ("fc00::1", .never), ("fcff::1", .never), ("192.0.2.1", .never), ("198.51.100.1", .never),
        ("203.0.113.1", .never),
        ("100.64.0.1", .never), ("100.127.255.255", .never), ("224.0.0.1", .never), ("239.255.255.255", .never), ("240.0.0.1", .never),
        ("255.255.255.255", .never), ("0.0.0.0", .never), ("0.1.2.3", .never), ("::", .never), ("2001:db8::1", .never), ("ff02::1", .never),
        ("ff0e::1", .never), ("64:ff9b::7f00:1", .never), ("64:ff9b::8.8.8.8", .never), ("64:ff9b:1::1", .never), ("2002:7f00:1::", .never),
        ("2001::1", .never), ("198.18.0.1", .never), ("198.19.255.255", .never), ("192.0.0.1", .never), ("192.0.0.192", .never),
        ("::127.0.0.1", .never),
        ("::8.8.8.8", .never), ("100::1", .never), ("3fff::1", .never), ("fd00:ec2::254", .never), ("168.63.129.16", .never),
    ]

    @Test("an address is allowed in the modes of the table and in no other", arguments: rows)
    func table(text: String, verdict: Verdict) throws {
        let address = try #require(IPAddress(parsing: text))
        let allowed = AddressPolicy.Mode.allCases.filter { AddressPolicy(mode: $0).allows(address) }
        let expected: [AddressPolicy.Mode] =
            switch verdict {
            case .always: [.strict, .saas, .development]
            case .privately: [.saas, .development]
            case .inDevelopment: [.development]
            case .never: []
            }
        #expect(allowed == expected)
    }

    @Test(
        "the mode follows the environment",
        arguments: [
            (nil, nil, nil, .strict), ("production", "", " ", .strict), (nil, " SaaS ", nil, .saas), (nil, nil, "org", .saas),
            (nil, "self-hosted", "org", .strict),
            (nil, "standalone", "org", .strict), (nil, "prod", "org", .strict), (" Development ", nil, nil, .development),
            ("dev", "self-hosted", nil, .development),
        ] as [(String?, String?, String?, AddressPolicy.Mode)])
    func modes(environment: String?, deploy: String?, organisation: String?, mode: AddressPolicy.Mode) {
        let resolved = AddressPolicy.Mode.resolve(environment: environment, deployMode: deploy, organisation: organisation)
        #expect(resolved.mode == mode)
        #expect((resolved.warning != nil) == (deploy == "prod"))
    }
}

@Suite("Addresses in every spelling")
struct IPAddressTests {
    @Test(
        "what a C library reads as an address is the same address here",
        arguments: [
            ("127.0.0.1", "127.0.0.1"), ("127.1", "127.0.0.1"), ("127.0.1", "127.0.0.1"), ("0x7f.1", "127.0.0.1"),
            ("0x7F000001", "127.0.0.1"),
            ("2130706433", "127.0.0.1"), ("017700000001", "127.0.0.1"), ("0177.0.0.01", "127.0.0.1"), ("0", "0.0.0.0"), ("00", "0.0.0.0"),
            ("0xA9FEA9FE", "169.254.169.254"), ("169.254.43518", "169.254.169.254"), ("4294967295", "255.255.255.255"),
            ("::1", "0:0:0:0:0:0:0:1"), ("0:0:0:0:0:0:0:1", "0:0:0:0:0:0:0:1"), ("::", "0:0:0:0:0:0:0:0"), ("1::", "1:0:0:0:0:0:0:0"),
            ("::ffff:127.0.0.1", "0:0:0:0:0:ffff:7f00:1"), ("FD00::00aB", "fd00:0:0:0:0:0:0:ab"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
            ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
        ])
    func reads(text: String, canonical: String) {
        #expect(IPAddress(parsing: text)?.description == canonical)
    }

    @Test(
        "what is no address is none",
        arguments: [
            "", "a", "1.2.3.4.5", "256.0.0.1", "1.2.3.256", "1.2.65536", "4294967296", "99999999999999999999", "08", "0x", "0xg", "0x-1",
            "+1", "-1", "1.", ".1", "1..2",
            "１27.0.0.1", "1 ", ":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "::g", "::1%eth0", "1.2.3.4::",
            "::1.2.3", "1:2:3:4:5:6:7:8::",
        ])
    func refuses(text: String) {
        #expect(IPAddress(parsing: text) == nil)
    }

    /// The C library is the judge: whatever it accepts, we must read alike, for the client could hand it the same text.
    @Test(
        "the C library reads no host otherwise than we do",
        arguments: ["127.1", "0x7f.1", "017700000001", "2130706433", "0x", "08", "1.2.3.4.5", "0x7f.0x1", "1.", "4294967296"])
    func agreesWithTheLibrary(text: String) {
        #expect(IPAddress(parsing: text)?.description == CLibrary.address(text))
    }
}

@Suite("Agent URLs")
struct AgentURLTests {
    @Test(
        "a URL is kept in one canonical spelling",
        arguments: [
            ("http://example.com", "http://example.com:80/"), ("HTTPS://Example.COM/a/b?c=d#e", "https://example.com:443/a/b?c=d"),
            ("http://0x7f.1:8000/x", "http://127.0.0.1:8000/x"), ("http://[::1]:9000", "http://[0:0:0:0:0:0:0:1]:9000/"),
            ("http://a_b-c.d:1?q", "http://a_b-c.d:1/?q"),
            ("http://example.com:", "http://example.com:80/"),
        ])
    func canonical(text: String, expected: String) {
        #expect(AgentURL(parsing: text)?.description == expected)
    }

    @Test(
        "what two programs could read differently is refused",
        arguments: [
            "", "example.com", "://x", "http:/example.com", "http:///x", "http://:80", "file:///etc/passwd", "ftp://example.com",
            "gopher://example.com", "remote://no-inbound",
            "http://user@example.com", "http://a:b@example.com", "http://example.com@169.254.169.254/",
            "http://example.com\\@evil.example/", "http://example.com:0",
            "http://example.com:65536", "http://example.com:8o", "http://example.com:-1", "http://example.com:80:80", "http://example.com.",
            "http://127.0.0.1.", "http://a..b",
            "http://.a", "http://1.2.3.4.5", "http://256.256.256.256", "http://example.0x7f", "http://exa mple.com",
            "http://example.com/\r\nX: y", "http://ex%61mple.com",
            "http://１２７.0.0.1", "http://ⓔxample.com", "http://[::1", "http://[::1]x", "http://[127.0.0.1]", "http://[fe80::1%25eth0]",
            "http://::1", "http://[]",
            "http://" + String(repeating: "a", count: 64) + ".com", "http://example.com/" + String(repeating: "a", count: 2048),
        ])
    func refused(text: String) {
        #expect(AgentURL(parsing: text) == nil)
    }
}
