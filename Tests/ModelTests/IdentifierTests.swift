import Model
import Testing

@Suite("Identifiers")
struct IdentifierTests {
    private struct Counting: RandomSource {
        func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8($0 * 17 & 0xFF) } }
    }

    @Test("a workspace id is a UUID in either case, kept in lower case")
    func canonical() {
        #expect(WorkspaceID("0A1B2C3D-0000-4000-8000-00000000ABCD")?.text == "0a1b2c3d-0000-4000-8000-00000000abcd")
        #expect(WorkspaceID("0a1b2c3d-0000-4000-8000-00000000abcd")?.prefix12 == "0a1b2c3d-000")
    }

    @Test(
        "anything else is no workspace id",
        arguments: [
            "", "x", "0a1b2c3d00004000800000000000abcd", "{0a1b2c3d-0000-4000-8000-00000000abcd}",
            "urn:uuid:0a1b2c3d-0000-4000-8000-00000000abcd",
            "0a1b2c3d-0000-4000-8000-00000000abcg", "0a1b2c3d-0000-4000-8000-00000000abcd ", "0a1b2c3d-0000-4000-80000-0000000abcd",
            "０a1b2c-0000-4000-8000-00000000abcd", "../../etc/passwd",
        ])
    func refused(text: String) {
        #expect(WorkspaceID(text) == nil)
    }

    @Test("a made id is a version 4 UUID")
    func made() {
        #expect(WorkspaceID(random: Counting()).text == "00112233-4455-4677-8899-aabbccddeeff")
    }

    @Test("an instance id is 4 to 64 plain characters", arguments: ["abc", "a b c d", "ab/cd", "äbcd", String(repeating: "a", count: 65)])
    func instanceRefused(text: String) {
        #expect(InstanceID(text) == nil)
        #expect(InstanceID("host-1.example_2") != nil)
    }
}
