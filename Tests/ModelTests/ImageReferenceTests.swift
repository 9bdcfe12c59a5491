import Model
import Testing

@Suite("Image references")
struct ImageReferenceTests {
    @Test(
        "registry, repository and tag are told apart",
        arguments: [
            ("busybox", "docker.io", "library/busybox", "latest"), ("team/app:1", "docker.io", "team/app", "1"),
            ("localhost:5000/a", "localhost:5000", "a", "latest"), ("reg.example/a/b:v1.2", "reg.example", "a/b", "v1.2"),
        ])
    func parts(_ text: String, _ registry: String, _ repository: String, _ tag: String) {
        let reference = ImageReference(text)
        #expect((reference.registry, reference.repository, reference.tag) == (registry, repository, tag))
    }

    @Test("pinning and mirroring keep the repository")
    func others() {
        let reference = ImageReference("ghcr.io/team/app:1")
        #expect(reference.pinned(to: "sha256:d").description == "ghcr.io/team/app@sha256:d")
        #expect(reference.pinned(to: "sha256:d").isPinned && !reference.isPinned)
        #expect(reference.at("mirror:5000").description == "mirror:5000/team/app:1")
    }

    @Test(
        "what an engine takes is taken",
        arguments: [
            "echo", "berth/workspace-echo:latest", "127.0.0.1:5000/team/echo:1", "[::1]:5000/a:1", "Reg.Example/a__b/c-d.e:V1_2",
            "a@sha256:" + String(repeating: "0f", count: 32), "a:1@sha256:" + String(repeating: "0f", count: 32),
            "sha256:" + String(repeating: "ab", count: 32),
        ])
    func wellFormed(_ text: String) { #expect(ImageReference.isWellFormed(text)) }

    @Test(
        "what would change a path, or no engine takes, is refused",
        arguments: [
            "", "../../x", "../containers/json?a=", "x/../../y", "./x", "x//y", "X/Y", "a:b:c", "http://x/y", "x@sha256:zz", "x:", "x%2f..",
            "UPPER", "a b", "-x", "x/", "/x", "a___b", "a:-1", "a@b@c", "a#b", String(repeating: "a", count: 300),
        ])
    func malformed(_ text: String) { #expect(!ImageReference.isWellFormed(text)) }
}
