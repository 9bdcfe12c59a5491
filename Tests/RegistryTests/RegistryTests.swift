import Model
import Registry
import TestSupport
import Testing

/// A registry over rows in memory.
struct RegistryRig {
    let book = FakeRecords(clock: ManualClock())
    let shelf = ContainerShelf([Sample.container()])
    let live = PublishedEvents()
    let log = RecordingLog()

    var registry: AgentRegistry {
        AgentRegistry(
            records: book, containers: shelf,
            urlGuard: AgentURLGuard(mode: .strict, resolver: ScriptedResolver(["agent.example": [["93.184.216.34"]]])),
            tokens: FakeTokens(),
            live: live, clock: ManualClock(), log: log)
    }

    struct Refused: Equatable {
        let code: ErrorCode
        let message: String
    }

    /// The code and sentence a call is refused with; nil when it is not.
    func refusal(_ call: (AgentRegistry) async throws -> Void) async -> Refused? {
        do {
            try await call(registry)
            return nil
        } catch let error as any CodedError {
            return Refused(code: error.code, message: error.message)
        } catch {
            Issue.record("an error without a code: \(error)")
            return nil
        }
    }

    static func registration(_ url: String = "http://agent-host:8000", card: JSONValue = ["name": "a"]) -> JSONValue {
        ["id": .string(Sample.id.text), "url": .string(url), "agent_card": card]
    }
}

@Suite("Registration")
struct RegistrationTests {
    let rig = RegistryRig()

    @Test("an agent that we provisioned comes online at the engine's address, whatever it calls itself")
    func provisioned() async throws {
        rig.book.add(Sample.workspace(1, .provisioning), token: "secret")
        let row = try await rig.registry.register(RegistryRig.registration(), bearer: "secret")
        #expect(row.status == .online)
        #expect(row.url == "http://127.0.0.1:40001")
        #expect(row.agentCard == ["name": "a"])
        #expect(rig.book.events == [.online])
    }

    @Test(
        "its host may be any name the engine knows its container by",
        arguments: [
            "http://agent-host:8000", "http://AGENT-HOST:8000/", "http://ws-00000000-000:8000", "http://0123456789ab:8000",
            "http://172.20.0.5:8000",
            "http://127.0.0.1:40001",
        ])
    func ownNames(url: String) async {
        rig.book.add(Sample.workspace(1, .provisioning), token: "secret")
        #expect(await rig.refusal { _ = try await $0.register(RegistryRig.registration(url), bearer: "secret") } == nil)
    }

    @Test(
        "any other host is refused, and nothing is stored",
        arguments: [
            "http://other-host:8000", "http://172.20.0.6:8000", "http://169.254.169.254/", "http://agent.example", "agent-host:8000",
            "file:///x",
        ])
    func foreignHost(url: String) async {
        rig.book.add(Sample.workspace(1, .provisioning), token: "secret")
        #expect(await rig.refusal { _ = try await $0.register(RegistryRig.registration(url), bearer: "secret") }?.code == .unsafeURL)
        #expect(rig.book.row(Sample.id)?.status == .provisioning)
        #expect(rig.book.events.isEmpty)
    }

    @Test("the container of an earlier generation is not the workspace's own any more")
    func earlierContainer() async {
        var row = Sample.workspace(1, .provisioning)
        row.generation = 2
        rig.book.add(row, token: "secret")
        #expect(await rig.refusal { _ = try await $0.register(RegistryRig.registration(), bearer: "secret") }?.code == .unsafeURL)
    }

    @Test("an engine that does not answer proves nothing: the agent is accepted, the known address stays")
    func engineAway() async throws {
        rig.book.add(Sample.workspace(1, .provisioning, url: "http://127.0.0.1:40001"), token: "secret")
        rig.shelf.goAway()
        let row = try await rig.registry.register(RegistryRig.registration("http://whatever:1"), bearer: "secret")
        #expect(row.status == .online && row.url == "http://127.0.0.1:40001")
        #expect(rig.log.text.count == 1)
    }

    @Test("an external agent's address passes the guard and is stored")
    func external() async throws {
        rig.book.add(Sample.workspace(1, .awaitingAgent, external: true), token: "secret")
        let row = try await rig.registry.register(RegistryRig.registration("http://agent.example:9000"), bearer: "secret")
        #expect(row.status == .online && row.url == "http://agent.example:9000")
        let refusal = await rig.refusal { _ = try await $0.register(RegistryRig.registration("http://10.0.0.1"), bearer: "secret") }
        #expect(refusal?.code == .unsafeURL)
    }

    @Test("the token comes first: without it no name is resolved and no engine asked")
    func tokenFirst() async {
        rig.book.add(Sample.workspace(1, .awaitingAgent, external: true), token: "secret")
        rig.book.add(Sample.workspace(2), token: "other")
        let body = RegistryRig.registration("http://169.254.169.254")
        #expect(
            await rig.refusal { _ = try await $0.register(body, bearer: nil) }
                == .init(code: .workspaceAuthRequired, message: "missing workspace auth token"))
        for wrong in ["wrong", "other"] {
            #expect(
                await rig.refusal { _ = try await $0.register(body, bearer: wrong) }
                    == .init(code: .workspaceAuthInvalid, message: "invalid workspace auth token"))
        }
    }

    @Test("an unknown id is answered like a wrong token")
    func unknown() async {
        #expect(await rig.refusal { _ = try await $0.register(RegistryRig.registration(), bearer: "x") }?.code == .workspaceAuthInvalid)
        #expect(rig.book.row(Sample.id) == nil)
    }

    @Test("a removed workspace gets 410 and nothing happens")
    func removed() async {
        rig.book.add(Sample.workspace(1, .removed), token: "secret")
        #expect(await rig.refusal { _ = try await $0.register(RegistryRig.registration(), bearer: "secret") }?.code == .workspaceRemoved)
        #expect(rig.book.row(Sample.id)?.agentCard == nil)
        #expect(rig.book.events.isEmpty && rig.live.all.isEmpty)
    }

    @Test("a revoked token registers nobody")
    func revoked() async throws {
        rig.book.add(Sample.workspace(1), token: "secret")
        _ = try await rig.book.beginGeneration(of: Sample.id, token: FakeTokens().issue().digest)
        #expect(
            await rig.refusal { _ = try await $0.register(RegistryRig.registration(), bearer: "secret") }?.code == .workspaceAuthInvalid)
    }

    @Test("a store that is away is 503 platform_unavailable, never a wrong token")
    func outage() async {
        rig.book.faults.on("tokenOwner", .fail(StoreError.unavailable))
        #expect(await rig.refusal { _ = try await $0.register(RegistryRig.registration(), bearer: "x") }?.code == .platformUnavailable)
    }

    private static let badBodies: [JSONValue] = [
        [], "x", .null, [:], ["id": .string(Sample.id.text), "agent_card": [:]],
        ["id": .string(Sample.id.text), "url": "", "agent_card": [:]],
        ["id": .string(Sample.id.text), "url": "http://a"], ["id": .string(Sample.id.text), "url": 5, "agent_card": [:]],
        RegistryRig.registration(card: .null), RegistryRig.registration(card: []), RegistryRig.registration(card: "card"),
        RegistryRig.registration(card: ["name": "a\0b"]), RegistryRig.registration(card: ["a\0b": [["deep": "x"]]]),
        RegistryRig.registration(card: ["name": .string(String(repeating: "x", count: 256 * 1024))]),
        ["url": "http://a", "agent_card": [:]],
    ]

    @Test("a body that is incomplete, of wrong type or too large is refused", arguments: badBodies.indices)
    func badBody(index: Int) async {
        rig.book.add(Sample.workspace(1), token: "secret")
        let refusal = await rig.refusal { _ = try await $0.register(Self.badBodies[index], bearer: "secret") }
        #expect(refusal == .init(code: .invalidRequest, message: "invalid request body"))
    }

    @Test("an id that is no UUID never reaches the store")
    func badID() async {
        let body: JSONValue = ["id": "' OR 1=1", "url": "http://a", "agent_card": [:]]
        #expect(await rig.refusal { _ = try await $0.register(body, bearer: "x") }?.code == .invalidWorkspaceID)
        #expect(rig.book.faults.calls.isEmpty)
    }

    @Test("a card can be replaced, by its own agent only")
    func updateCard() async throws {
        rig.book.add(Sample.workspace(1), token: "secret")
        let body: JSONValue = ["workspace_id": .string(Sample.id.text), "agent_card": ["name": "new"]]
        try await rig.registry.updateCard(body, bearer: "secret")
        #expect(rig.book.row(Sample.id)?.agentCard == ["name": "new"])
        #expect(rig.book.events == [.agentCardUpdated])
        #expect(await rig.refusal { try await $0.updateCard(body, bearer: "wrong") }?.code == .workspaceAuthInvalid)
        rig.book.add(Sample.workspace(1, .removed), token: "secret")
        #expect(await rig.refusal { try await $0.updateCard(body, bearer: "secret") }?.code == .workspaceRemoved)
    }
}
