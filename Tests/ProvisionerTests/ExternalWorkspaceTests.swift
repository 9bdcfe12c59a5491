import Model
import Provisioner
import TestSupport
import Testing

@Suite("Workspaces whose agent lives elsewhere")
struct ExternalWorkspaceTests {
    private func request(url: String? = nil) -> CreateWorkspace {
        var request = CreateWorkspace(name: "Afar")
        request.external = true
        request.url = url
        return request
    }

    @Test("one is awaited, has a token, and never a container", arguments: [nil, "https://agents.example/a"])
    func awaited(_ url: String?) async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let created = try await provisioner.create(request(url: url))
        await provisioner.idle()
        #expect(created.workspace.status == .awaitingAgent && created.workspace.runtime == "external" && created.workspace.external)
        #expect(created.token == "token-1" && created.workspace.url == url)
        #expect(world.records.liveTokens(of: created.workspace.id) == 1)
        #expect(world.records.history(of: created.workspace.id).map(\.payload) == [["name": "Afar", "external": true]])
        #expect(world.kinds(created.workspace.id) == [.awaitingAgent])
        #expect(world.engine.faults.calls.isEmpty)
        _ = try await world.beat(created.workspace.id, token: "token-1")
        #expect(try world.row(created.workspace.id).status == .online)
    }

    @Test("the runtime external means the same")
    func byRuntime() async throws {
        let world = try World()
        var request = CreateWorkspace(name: "Afar")
        request.runtime = "external"
        #expect(try await world.provisioner().create(request).workspace.external)
    }

    @Test("in development mode one that names its url is online at once")
    func development() async throws {
        var settings = ProvisionSettings()
        settings.developmentMode = true
        let world = try World(settings: settings)
        #expect(try await world.provisioner().create(request(url: "https://agents.example/a")).workspace.status == .online)
        #expect(try await world.provisioner().create(request()).workspace.status == .awaitingAgent)
    }

    @Test("an address that must not be reached is refused, and no row is written")
    func unsafeAddress() async throws {
        let world = try World(refusing: ["http://169.254.169.254/"])
        #expect(await code { _ = try await world.provisioner().create(request(url: "http://169.254.169.254/")) } == .unsafeURL)
        #expect(world.records.rows.isEmpty)
    }

    @Test("no sweep touches one, however long it is awaited")
    func notSwept() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await provisioner.create(request()).workspace.id
        world.clock.advance(by: .seconds(100_000))
        await world.loop(provisioner).fullPass()
        #expect(try world.row(id).status == .awaitingAgent)
    }

    @Test("deleting one asks the engine for nothing")
    func deleted() async throws {
        let world = try World()
        let provisioner = world.provisioner()
        let id = try await provisioner.create(request()).workspace.id
        let deletion = try await provisioner.delete(id, confirmed: false)
        #expect(deletion.failures.isEmpty)
        #expect(try !world.row(id).pendingCleanup)
        #expect(world.engine.faults.calls.isEmpty)
    }
}
