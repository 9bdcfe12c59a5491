import Model
import Provisioner
import TestSupport
import Testing

@Suite("What a container is given")
struct AgentEnvironmentTests {
    private func box(_ change: (inout CreateWorkspace, inout Template, inout ProvisionSettings) -> Void) async throws -> FakeEngine.Box {
        var template = World.echo
        var settings = ProvisionSettings()
        var request = CreateWorkspace(name: "Ada Lovelace!")
        request.name = "Ada Lovelace"
        request.template = "echo"
        change(&request, &template, &settings)
        let world = try World(settings: settings, templates: FakeTemplates([template]))
        let id = try await world.provisioned(world.provisioner(), request)
        return try world.onlyBox(of: id)
    }

    /// As the container sees it: later entries win.
    private func seen(_ box: FakeEngine.Box) -> [String: String] {
        box.spec.environment.reduce(into: [:]) { $0[$1.name] = $1.value }
    }

    @Test("the platform's entries come first and name the workspace and the way home")
    func fixed() async throws {
        let box = try await box { request, _, settings in
            settings.platformURL = "http://10.9.8.7:9000"
            request.role = "tester"
        }
        let names = box.spec.environment.prefix(7).map(\.name)
        #expect(names == ["WORKSPACE_ID", "WORKSPACE_CONFIG_PATH", "PLATFORM_URL", "MOLECULE_URL", "TIER", "PLUGINS_DIR", "PYTHONPATH"])
        let environment = seen(box)
        #expect(environment["PLATFORM_URL"] == "http://10.9.8.7:9000" && environment["MOLECULE_URL"] == "http://10.9.8.7:9000")
        #expect(environment["TIER"] == "2" && environment["MOLECULE_AGENT_ROLE"] == "tester")
        #expect(environment["GIT_AUTHOR_NAME"] == "Molecule AI Ada Lovelace")
        #expect(environment["GIT_COMMITTER_EMAIL"] == "ada-lovelace@agents.moleculesai.app")
        #expect(environment["AWARENESS_URL"] == nil)
    }

    @Test("secrets go before the template's environment, and both before the softer defaults")
    func order() async throws {
        let box = try await box { request, template, _ in
            template.environment = ["A": "template", "B": "template", "GIT_AUTHOR_NAME": "Own"]
            request.secrets = ["A": "secret", "PYTHONPATH": "/mine"]
        }
        let environment = seen(box)
        #expect(environment["A"] == "secret" && environment["B"] == "template")
        #expect(environment["GIT_AUTHOR_NAME"] == "Own" && environment["PYTHONPATH"] == "/mine")
    }

    @Test("a secret file with a name like a variable is pointed to by NAME_FILE, and satisfies what the template requires")
    func files() async throws {
        let box = try await box { request, template, _ in
            template.requiredEnv = ["API_KEY", "OTHER"]
            template.environment = ["OTHER": "x"]
            request.secretFiles = ["API_KEY": "value-in-file", "notes.txt": "n"]
        }
        let environment = seen(box)
        #expect(environment["API_KEY_FILE"] == "/configs/.secrets/API_KEY" && environment["API_KEY"] == nil)
        #expect(environment["notes.txt_FILE"] == nil)
        #expect(box.files["/configs/.secrets/API_KEY"].map { String(decoding: $0.bytes, as: UTF8.self) } == "value-in-file")
    }

    @Test("hermes is told its model by name, and awareness comes with its namespace")
    func special() async throws {
        let box = try await box { request, template, settings in
            template.runtime = "hermes"
            request.model = "big"
            settings.awarenessURL = "http://aware"
        }
        let environment = seen(box)
        #expect(environment["HERMES_DEFAULT_MODEL"] == "big")
        #expect(environment["AWARENESS_URL"] == "http://aware" && environment["AWARENESS_NAMESPACE"]?.hasPrefix("workspace:") == true)
    }

    @Test("a config.yaml is generated only where the template has none, and keeps its quoting")
    func generatedConfig() async throws {
        let box = try await box { request, _, _ in
            request.name = "say \"hi\" \\ é"
            request.role = "a: b"
        }
        let text = String(decoding: try #require(box.files["/configs/config.yaml"]).bytes, as: UTF8.self)
        #expect(
            text == """
                name: "say \\"hi\\" \\\\ é"
                description: "a: b"
                version: 1.0.0
                tier: 2
                runtime: "echo"
                model: "echo"
                runtime_config:
                  timeout: 0

                """)
        let own = [ContainerFile(path: "config.yaml", bytes: Array("name: mine\n".utf8))]
        let world = try World(templates: FakeTemplates([World.echo], files: ["echo": own]))
        let id = try await world.provisioned(world.provisioner())
        #expect(try world.onlyBox(of: id).files["/configs/config.yaml"] == own[0])
    }
}
