import Glibc
import Model
import TestSupport
import Testing

@testable import Templates

@Suite("A directory of templates")
struct TemplateDirectoryTests {
    let disk = TemplatesOnDisk()
    let clock = ManualClock()
    let log = RecordingLog()

    private func directory(_ path: String? = nil) -> TemplateDirectory {
        TemplateDirectory(path: path ?? disk.path, clock: clock, log: log)
    }

    private func later(_ directory: TemplateDirectory) async -> TemplateCatalog {
        clock.advance(by: .seconds(3))
        return await directory.catalog()
    }

    private static func timed(_ runtime: String, _ seconds: String) -> String {
        "runtime: \(runtime)\nruntime_config: {provision_timeout_seconds: \(seconds)}\n"
    }

    @Test("sub-directories with a config.yaml are templates, in the order of their names")
    func walk() async {
        disk.config("b", "runtime: echo")
        disk.config("a", "runtime: echo")
        disk.write("config.yaml", "runtime: echo")
        disk.write("c/config.yml", "runtime: echo")
        disk.directory("d/config.yaml")
        disk.link("linked", to: "a")
        let catalog = await directory().catalog()
        #expect(catalog.templates.map(\.id) == ["a", "b"])
        #expect(catalog["a"]?.directory == disk.path + "/a")
        #expect(catalog.broken.isEmpty)
    }

    @Test("one broken template does not hide the others")
    func broken() async {
        disk.config("bad", "runtime: echo\ntier: [")
        disk.config("good", "runtime: echo")
        let catalog = await directory().catalog()
        #expect(catalog.templates.map(\.id) == ["good"])
        #expect(catalog.broken["bad"]?.first?.file == "bad/config.yaml")
        #expect(catalog.broken["bad"]?.first?.line == 3)
        #expect(log.text.contains { $0.contains("at=bad/config.yaml:3:1") })
    }

    @Test("problems name no path of the host")
    func noHostPath() async {
        disk.config("bad", "a: b: c")
        let catalog = await directory().catalog()
        #expect(catalog.broken.values.joined().allSatisfy { !"\($0)".contains(disk.path) })
    }

    @Test("the largest timeout of a runtime wins and bad values are skipped")
    func timeouts() async {
        disk.config("a", Self.timed("langgraph", "600"))
        disk.config("b", Self.timed("langgraph", "720"))
        disk.config("c", Self.timed("langgraph", "\"9000\""))
        disk.config("d", Self.timed("hermes", "-5"))
        disk.config("e", "runtime_config: {provision_timeout_seconds: 50}")
        disk.config("f", "not: [yaml")
        #expect(await directory().catalog().provisionTimeoutSeconds == ["langgraph": 720])
    }

    @Test("a typing error elsewhere does not lose the timeout")
    func lenientTimeout() async {
        disk.config("a", "tier: high\n" + Self.timed("hermes", "900"))
        let catalog = await directory().catalog()
        #expect(catalog.broken["a"] != nil)
        #expect(catalog.provisionTimeoutSeconds == ["hermes": 900])
    }

    @Test("a changed, a new and a removed file are seen, but not before two seconds have passed")
    func reload() async {
        disk.config("a", Self.timed("echo", "60"))
        let directory = directory()
        #expect(await directory.catalog().provisionTimeoutSeconds == ["echo": 60])
        disk.config("a", Self.timed("echo", "1200"))
        clock.advance(by: .seconds(1))
        #expect(await directory.catalog().provisionTimeoutSeconds == ["echo": 60])
        #expect(await later(directory).provisionTimeoutSeconds == ["echo": 1200])
        disk.config("b", "runtime: echo")
        #expect(await later(directory).templates.map(\.id) == ["a", "b"])
        disk.remove("a")
        #expect(await later(directory).templates.map(\.id) == ["b"])
    }

    @Test("timeouts survive a directory that is suddenly empty")
    func lastGood() async {
        disk.config("a", Self.timed("echo", "60"))
        let directory = directory()
        _ = await directory.catalog()
        disk.remove("a")
        let catalog = await later(directory)
        #expect(catalog.templates.isEmpty)
        #expect(catalog.provisionTimeoutSeconds == ["echo": 60])
        disk.config("b", "runtime: echo")
        #expect(await later(directory).provisionTimeoutSeconds == [:])
    }

    @Test("a missing directory is an empty catalog and one log line, until it comes")
    func missing() async {
        let directory = directory(disk.path + "/later")
        #expect(await directory.catalog() == TemplateCatalog())
        #expect(await later(directory) == TemplateCatalog())
        #expect(log.text.count == 1)
        disk.config("later/a", "runtime: echo")
        #expect(await later(directory).templates.map(\.id) == ["a"])
    }

    @Test("a config.yaml that is too large is a broken template")
    func tooLarge() async {
        disk.config("a", "runtime: echo")
        truncate(disk.path + "/a/config.yaml", 2 << 20)
        #expect(await directory().catalog().broken["a"]?.count == 1)
    }
}

@Suite("A template's files")
struct TemplateFilesTests {
    let disk = TemplatesOnDisk()

    private func files() async throws -> [ContainerFile] {
        try await TemplateDirectory(path: disk.path, clock: ManualClock(), log: RecordingLog()).files(
            of: Template(id: "t", directory: disk.path + "/t"))
    }

    private func refusal() async -> String? {
        do {
            _ = try await files()
            return nil
        } catch { return (error as? Failure)?.message }
    }

    @Test("are found in every depth, with their modes, and with unix line ends in scripts and Markdown")
    func all() async throws {
        disk.config("t", "a: 1\r\n")
        disk.write("t/bin/run.sh", "#!/bin/sh\r\necho \r x\r\n", mode: 0o755)
        disk.write("t/.git/HEAD", "not for containers")
        disk.link("t/same.md", to: "bin/run.sh")
        let files = try await files()
        #expect(files.map(\.path) == ["bin/run.sh", "config.yaml", "same.md"])
        #expect(files.map(\.mode) == [0o755, 0o644, 0o755])
        #expect(files.map { String(decoding: $0.bytes, as: UTF8.self) }[..<2] == ["#!/bin/sh\necho \r x\n", "a: 1\r\n"])
    }

    @Test("a link out of the template is refused, and the sentence names no path of the host")
    func escapingLink() async throws {
        disk.config("t", "a: 1")
        disk.write("secret", "s")
        disk.link("t/leak", to: "../secret")
        let message = try #require(await refusal())
        #expect(message.contains("leak is a link that leaves the template"))
        #expect(!message.contains(disk.path))
    }

    @Test("a link to nothing, a link to a directory and a pipe are refused", arguments: ["dangling", "directory", "pipe"])
    func oddities(kind: String) async {
        disk.config("t", "a: 1")
        disk.directory("t/sub")
        switch kind {
        case "dangling": disk.link("t/x", to: "nowhere")
        case "directory": disk.link("t/x", to: "sub")
        default: mkfifo(disk.path + "/t/x", 0o600)
        }
        #expect(await refusal() != nil)
    }

    @Test("more than 64 MiB are refused")
    func tooLarge() async {
        disk.config("t", "a: 1")
        disk.write("t/large", "")
        truncate(disk.path + "/t/large", 64 << 20)
        #expect(await refusal()?.contains("larger than 64 MiB") == true)
    }

    @Test("a template that is gone says so")
    func gone() async { #expect(await refusal()?.contains("not there any more") == true) }
}

@Suite("berth templates lint")
struct TemplateLintTests {
    let disk = TemplatesOnDisk()

    private func check(_ relative: String = "") -> [String] {
        TemplateLint.check(path: relative.isEmpty ? disk.path : "\(disk.path)/\(relative)").map {
            "\($0.severity) \($0.place) \($0.message)"
        }
    }

    @Test("takes a file, a template or a directory of templates and says the same of each")
    func paths() {
        disk.config("t", "runtime: echo\nruntme_config: {}\n")
        let wanted = ["warning t/config.yaml:2:1 the key \"runtme_config\" is not known and is ignored: did you mean runtime_config?"]
        #expect(check("t/config.yaml") == wanted)
        #expect(check("t") == wanted)
        #expect(check() == wanted)
    }

    @Test("finds a near miss inside runtime_config and leaves the runtime's own keys alone")
    func nestedKeys() {
        disk.config("t", "runtime: echo\nruntime_config: {provision_timeout_second: 9, effort: high}\nx-mine: 1\n")
        #expect(
            check() == [
                "warning t/config.yaml:2:18 the key \"runtime_config.provision_timeout_second\" is not known: did you mean provision_timeout_seconds?"
            ])
    }

    @Test("finds files that could not be copied")
    func content() {
        disk.config("t", "runtime: echo")
        disk.link("t/leak", to: "/etc/hostname")
        #expect(check().count == 1)
    }

    @Test("a path with nothing to check is an error", arguments: ["", "nowhere"])
    func nothing(relative: String) { #expect(check(relative).count == 1) }

    @Test("the templates that come with Berth are clean")
    func ours() {
        let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
        #expect(TemplateLint.check(path: root + "/templates") == [])
    }
}
