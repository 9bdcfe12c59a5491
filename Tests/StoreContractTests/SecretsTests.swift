import Model
import Secrets
import Testing

@Suite("Secrets at rest and bearer tokens")
struct SecretsTests {
    private let sealer = SecretSealer(key: Array(0..<32))
    private let workspace = WorkspaceID("0b0e9f3e-5f0a-4d0b-9c1a-000000000001").unsafelyUnwrapped
    private let other = WorkspaceID("0b0e9f3e-5f0a-4d0b-9c1a-000000000002").unsafelyUnwrapped

    @Test("what was sealed opens in its place, and only there")
    func sealedInPlace() throws {
        let sealed = try sealer.seal("top-secret-é", workspace: workspace, name: "API_KEY")
        #expect(sealed.first == 2)
        #expect(try sealer.open(sealed, workspace: workspace, name: "API_KEY") == "top-secret-é")
        #expect(throws: Failure.self) { try sealer.open(sealed, workspace: other, name: "API_KEY") }
        #expect(throws: Failure.self) { try sealer.open(sealed, workspace: workspace, name: "API_KEY2") }
        #expect(throws: Failure.self) { try SecretSealer(key: Array(1..<33)).open(sealed, workspace: workspace, name: "API_KEY") }
    }

    @Test("a changed byte anywhere makes a sealed secret unreadable, with a code that says so")
    func tampered() throws {
        let sealed = try sealer.seal("value", workspace: workspace, name: "K")
        for index in sealed.indices {
            var changed = sealed
            changed[index] ^= 1
            let error = #expect(throws: Failure.self) { try sealer.open(changed, workspace: workspace, name: "K") }
            #expect(error?.code == .secretsUnreadable)
        }
        #expect(throws: Failure.self) { try sealer.open([], workspace: workspace, name: "K") }
    }

    @Test("sealing the same value twice gives different bytes, and an empty value is a value")
    func fresh() throws {
        #expect(try sealer.seal("x", workspace: workspace, name: "K") != sealer.seal("x", workspace: workspace, name: "K"))
        let empty = try sealer.seal("", workspace: workspace, name: "K")
        #expect(try sealer.open(empty, workspace: workspace, name: "K").isEmpty)
    }

    @Test("a key is 32 bytes, raw or in base64; 32 raw base64 letters are a raw key")
    func keys() throws {
        #expect(try SecretsKey.parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n") == Array(0..<32))
        let letters = "abcdefghijklmnopqrstuvwxyzABCDEF"
        #expect(try SecretsKey.parse(letters) == Array(letters.utf8))
        for bad in ["", "short", String(repeating: "a", count: 33), "AAECAw=="] {
            let error = #expect(throws: Failure.self) { try SecretsKey.parse(bad) }
            #expect(error?.code == .secretsKeyInvalid)
            #expect(error?.message.contains("AAECAw") == false)
        }
    }

    @Test("a token has 43 characters, is never issued twice and is known by its SHA-256")
    func tokens() {
        let maker = TokenMaker()
        let issued = (0..<100).map { _ in maker.issue() }
        #expect(Set(issued.map(\.plaintext)).count == 100)
        for token in issued {
            #expect(token.plaintext.utf8.count == 43)
            #expect(token.plaintext.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") })
            #expect(token.digest.prefix == token.plaintext.prefix(8))
            #expect(token.digest.hash == maker.hash(token.plaintext))
        }
        let abc: [UInt8] = [
            0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96,
            0x17,
            0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
        ]
        #expect(maker.hash("abc") == abc)
        #expect(maker.matches("secret", "secret"))
        #expect(!maker.matches("secret", "secreT") && !maker.matches("secret", "secre"))
    }
}
