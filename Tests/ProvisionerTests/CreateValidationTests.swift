import Glibc
import Model
import Provisioner
import TestSupport
import Testing

@Suite("Judging a create request")
struct CreateValidationTests {
    /// A request that differs from a good one in one thing, and what is said about it.
    struct Refusal: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let code: ErrorCode
        let message: String
        let change: @Sendable (inout CreateWorkspace) -> Void

        init(_ description: String, _ code: ErrorCode, _ message: String, _ change: @escaping @Sendable (inout CreateWorkspace) -> Void) {
            testDescription = description
            self.code = code
            self.message = message
            self.change = change
        }
    }

    static let fields = "invalid workspace fields"
    static let refusals: [Refusal] = [
        Refusal("no name", .invalidRequest, "invalid workspace payload") { $0.name = "" },
        Refusal("a blank name", .invalidRequest, "invalid workspace payload") { $0.name = " \t" },
        Refusal("a newline in the name", .invalidField, fields) { $0.name = "a\nb" },
        Refusal("a newline in the role", .invalidField, fields) { $0.role = "a\rb" },
        Refusal("a newline in the model", .invalidField, fields) { $0.model = "a\r\nb" },
        Refusal("a newline in the runtime", .invalidField, fields) { $0.runtime = "echo\n" },
        Refusal("a brace in the name", .invalidField, fields) { $0.name = "a{b" },
        Refusal("an ampersand in the role", .invalidField, fields) { $0.role = "a&b" },
        Refusal("a name of 256 bytes", .invalidField, fields) { $0.name = String(repeating: "é", count: 128) },
        Refusal("a role of 1001 bytes", .invalidField, fields) { $0.role = String(repeating: "r", count: 1001) },
        Refusal("a model of 101 bytes", .invalidField, fields) { $0.model = String(repeating: "m", count: 101) },
        Refusal("an unknown template", .templateNotFound, "invalid template") { $0.template = "nobody" },
        Refusal("a template outside", .templateNotFound, "invalid template") { $0.template = "../echo" },
        Refusal("a broken template", .templateInvalid, "invalid template") { $0.template = "broken" },
        Refusal("an unknown runtime", .runtimeUnknown, "unknown runtime: cobol") { $0.runtime = "cobol" },
        Refusal("tier 3", .tierNotAllowed, "tier 3 is not allowed here") { $0.tier = 3 },
        Refusal("tier 99", .tierNotAllowed, "there is no tier 99") { $0.tier = 99 },
        Refusal("tier -1", .tierNotAllowed, "there is no tier -1") { $0.tier = -1 },
        Refusal("a reserved secret", .envReserved, "WORKSPACE_ID is set by the platform and cannot be given") {
            $0.secrets = ["WORKSPACE_ID": "x"]
        },
        Refusal("another reserved secret", .envReserved, "PLATFORM_URL is set by the platform and cannot be given") {
            $0.secrets = ["PLATFORM_URL": "x"]
        },
        Refusal("a secret without a usable name", .invalidField, fields) { $0.secrets = ["A-B": "x"] },
        Refusal("a secret named like a number", .invalidField, fields) { $0.secrets = ["1A": "x"] },
        Refusal("a secret with a NUL", .invalidField, fields) { $0.secrets = ["A": "x\0y"] },
        Refusal("a secret file that climbs", .invalidField, fields) { $0.secretFiles = ["../token": "x"] },
        Refusal("a secret file in a folder", .invalidField, fields) { $0.secretFiles = ["a/b": "x"] },
        Refusal("a hidden secret file", .invalidField, fields) { $0.secretFiles = [".netrc": "x"] },
        Refusal("a control character of the second kind", .invalidField, fields) { $0.name = "a\u{85}b" },
        Refusal("an image with a blank", .invalidField, fields) { $0.image = "a b" },
        Refusal("a negative budget", .invalidField, fields) { $0.budgetLimit = -1 },
        Refusal("a directory while none is allowed", .invalidField, "invalid workspace directory") { $0.workspaceDirectory = "/tmp" },
        Refusal("an unknown access", .invalidField, "invalid workspace access") { $0.workspaceAccess = "all" },
        Refusal("access without a directory", .invalidField, "invalid workspace access") { $0.workspaceAccess = "read_only" },
        Refusal("an unknown parent", .invalidField, "parent workspace not found") {
            $0.parentID = WorkspaceID(random: SeededRandom(seed: 3))
        },
    ]

    @Test("is refused with a code and a text that clients know, and writes nothing", arguments: refusals)
    func refused(_ refusal: Refusal) async throws {
        let problem = TemplateProblem(.error, file: "config.yaml", line: 3, column: 5, key: "tier", message: "is not a number")
        let world = try World(templates: FakeTemplates([World.echo], broken: ["broken": [problem]]))
        var request = world.request()
        refusal.change(&request)
        do {
            _ = try await world.provisioner().create(request)
            Issue.record("it was accepted")
        } catch let failure as any CodedError {
            #expect(failure.code == refusal.code && failure.message == refusal.message)
            #expect(failure.next?.isEmpty == false, "it says what to do next")
        }
        #expect(world.records.rows.isEmpty && world.engine.faults.calls.isEmpty)
    }

    @Test("the caller's words go before the template's, and those before the platform's")
    func precedence() async throws {
        var template = World.echo
        template.tier = 1
        template.model = "small"
        template.maxConcurrentTasks = 3
        let world = try World(templates: FakeTemplates([template]))
        let provisioner = world.provisioner()
        let plain = try await provisioner.create(world.request()).workspace
        #expect(plain.tier == 1 && plain.model == "small" && plain.maxConcurrentTasks == 3 && plain.runtime == "echo")
        var request = world.request("B")
        (request.tier, request.model, request.maxConcurrentTasks, request.image) = (2, "large", 7, "mine:1")
        let stated = try await provisioner.create(request).workspace
        #expect(stated.tier == 2 && stated.model == "large" && stated.maxConcurrentTasks == 7 && stated.image == "mine:1")
        let bare = try await provisioner.create(CreateWorkspace(name: "C")).workspace
        #expect(bare.tier == 2 && bare.model == nil && bare.maxConcurrentTasks == 1 && bare.runtime == "langgraph")
        #expect(bare.image == StockRuntimes.images["langgraph"])
        await provisioner.idle()
    }

    @Test("a runtime that only a template knows uses that template's image")
    func templateRuntime() async throws {
        var template = Template(id: "own", directory: "/nowhere/own")
        (template.runtime, template.image) = ("own", "own:1")
        let world = try World(templates: FakeTemplates([template]))
        var request = CreateWorkspace(name: "A")
        request.runtime = "own"
        let provisioner = world.provisioner()
        #expect(try await provisioner.create(request).workspace.image == "own:1")
        await provisioner.idle()
    }

    @Test("a directory below an allowed root is mounted by its real path, and a link cannot lead out of the root")
    func directories() async throws {
        let root = try #require(makeDirectory())
        defer { removeTree(root) }
        mkdir("\(root)/srv", 0o755)
        mkdir("\(root)/other", 0o755)
        mkdir("\(root)/srv/src", 0o755)
        symlink("\(root)/srv/src", "\(root)/srv/link")
        symlink("\(root)/other", "\(root)/srv/escape")
        var settings = ProvisionSettings()
        settings.workspaceDirectoryRoots = ["\(root)/srv"]
        let world = try World(settings: settings)
        let provisioner = world.provisioner()
        var request = world.request()
        request.workspaceDirectory = "\(root)/srv/link"
        request.workspaceAccess = "read_only"
        let id = try await world.provisioned(provisioner, request)
        #expect(try world.onlyBox(of: id).spec.mounts.contains(.bind(hostPath: "\(root)/srv/src", at: "/workspace", readOnly: true)))
        for bad in ["\(root)/srv/escape", "\(root)/other", "\(root)/srv/../other", "\(root)/srv/nobody", "\(root)/srvshop", "relative"] {
            request.workspaceDirectory = bad
            #expect(await code { _ = try await provisioner.create(request) } == .invalidField, "\(bad)")
        }
    }

    private func makeDirectory() -> String? {
        var template = Array("/tmp/berth-provision-XXXXXX".utf8CString)
        return template.withUnsafeMutableBufferPointer { buffer in buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) } }
    }

    private func removeTree(_ path: String) {
        for entry in ["srv/link", "srv/escape"] { unlink("\(path)/\(entry)") }
        for entry in ["srv/src", "srv", "other"] { rmdir("\(path)/\(entry)") }
        rmdir(path)
    }
}
