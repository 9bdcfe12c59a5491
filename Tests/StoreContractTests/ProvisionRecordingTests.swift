import Model
import Store
import Testing

@Suite("What the provisioner records, on both databases")
struct ProvisionRecordingTests {
    @Test("a row comes back exactly as it was inserted", arguments: DatabaseKind.present)
    func wholeRow(_ kind: DatabaseKind) async throws {
        try await StoreFixture.with(kind) { fixture in
            let workspace = Self.fullWorkspace(at: fixture.clock.now(), below: try await fixture.workspace().id)
            _ = try await fixture.store.insert(NewWorkspace(workspace: workspace))
            #expect(try await fixture.store.workspace(workspace.id) == workspace)
            #expect(try await fixture.store.workspace(WorkspaceID("00000000-0000-4000-8000-000000000000").orFail()) == nil)
        }
    }

    private static func fullWorkspace(at now: Timestamp, below parent: WorkspaceID) -> Workspace {
        var workspace = Workspace(
            id: WorkspaceID("0b0e9f3e-5f0a-4d0b-9c1a-0123456789ab").unsafelyUnwrapped, name: "Ünï 'quoted' \\ \"x\"", runtime: "echo",
            condition: .init(.failed, .registerTimeout), createdAt: now)
        (workspace.role, workspace.template, workspace.model, workspace.image) = ("helper", "echo", "m", "img:1")
        (workspace.tier, workspace.generation, workspace.external, workspace.collapsed) = (4, 7, true, true)
        workspace.parentID = parent
        (workspace.provisionStartedAt, workspace.lastHeartbeatAt, workspace.lastOutboundAt) = (now, now, now)
        workspace.agentCard = ["version": "1", "big": .number(JSONNumber(Int64.max)), "a": [1, .null, true]]
        (workspace.url, workspace.containerID, workspace.workspaceDirectory) = ("http://127.0.0.1:1", "c1", "/srv")
        workspace.workspaceAccess = .readOnly
        (workspace.maxConcurrentTasks, workspace.activeTasks, workspace.uptimeSeconds) = (3, 2, 60)
        (workspace.currentTask, workspace.lastSampleError, workspace.lastErrorRate) = ("task\n2", "e", 0.1)
        (workspace.monthlySpend, workspace.budgetLimit) = (1_000_000_000_000, 0)
        workspace.overrides = RuntimeOverrides(idleTimeoutSeconds: 600, capabilities: ["status_mgmt": true, "retry": false])
        workspace.failure = WorkspaceFailure(
            code: .registerTimeout, message: "m", next: "n", exitCode: 137, logTail: "line 1\nline 2", at: now)
        (workspace.hibernationIdleMinutes, workspace.lastWorkAt, workspace.adoptedAt) = (30, now + .seconds(1), now + .seconds(2))
        (workspace.pendingCleanup, workspace.canvasX, workspace.canvasY) = (true, 1.5, -2)
        return workspace
    }

    @Test("secrets come back open, and nothing on the disk shows them", arguments: DatabaseKind.present)
    func secretsSealed(_ kind: DatabaseKind) async throws {
        try await StoreFixture.with(kind) { fixture in
            let workspace = Workspace(
                id: WorkspaceID("0b0e9f3e-5f0a-4d0b-9c1a-0123456789ab").unsafelyUnwrapped, name: "w", runtime: "echo",
                condition: .init(.provisioning), createdAt: fixture.clock.now())
            let new = NewWorkspace(workspace: workspace, secrets: ["KEY": "plain-env-5ecret"], secretFiles: ["KEY": "plain-file-5ecret"])
            _ = try await fixture.store.insert(new)
            let opened = try await fixture.store.secrets(of: workspace.id)
            #expect(opened.environment == ["KEY": "plain-env-5ecret"])
            #expect(opened.files == ["KEY": "plain-file-5ecret"])
            let bytes = try await Self.bytesOnDisk(of: fixture)
            #expect(bytes.contains("0123456789ab"), "the row itself must be found, or this proves nothing")
            #expect(!bytes.contains("5ecret"))

            await fixture.store.close()
            let stranger = try await StoreFixture.open(fixture.location, key: Array(1..<33))
            let error = await #expect(throws: StoreError.self) { try await stranger.store.secrets(of: workspace.id) }
            #expect(error?.code == .secretsUnreadable)
            await stranger.store.close()
        }
    }

    private static func bytesOnDisk(of fixture: StoreFixture) async throws -> String {
        switch fixture.location {
        case .sqlite(let path): String(decoding: contents(of: path) + contents(of: path + "-wal"), as: UTF8.self)
        case .postgres(let url): try await psql(url, "SELECT w.id, s.* , encode(s.sealed, 'escape') FROM workspaces w, workspace_secrets s")
        }
    }

    @Test("a creation's events are stored with the row, numbered from 1", arguments: DatabaseKind.present)
    func creationEvents(_ kind: DatabaseKind) async throws {
        try await StoreFixture.with(kind) { fixture in
            let workspace = Workspace(
                id: WorkspaceID("0b0e9f3e-5f0a-4d0b-9c1a-0123456789ab").unsafelyUnwrapped, name: "w", runtime: "echo",
                condition: .init(.provisioning), createdAt: fixture.clock.now())
            let payload: JSONObject = ["tier": 2, "ratio": .number(JSONNumber(1.25))]
            _ = try await fixture.store.insert(
                NewWorkspace(workspace: workspace, events: [(.provisioning, payload), (.awaitingAgent, [:])]))
            let stored = try await fixture.storedEvents(workspace.id)
            #expect(stored.map(\.sequence) == [1, 2])
            #expect(stored.first?.payload == payload)
            #expect(stored == fixture.committed.all)
            #expect(try await fixture.store.events(of: workspace.id, after: 1, limit: 10).map(\.kind) == [.awaitingAgent])
            #expect(try await fixture.store.events(of: workspace.id, after: 0, limit: 1).map(\.kind) == [.provisioning])
            #expect(try await fixture.store.lastSequence(of: workspace.id) == 2)
            #expect(try await fixture.store.lastSequence(of: WorkspaceID("00000000-0000-4000-8000-000000000000").orFail()) == nil)

            await #expect(throws: StoreError.self) {
                try await fixture.store.insert(NewWorkspace(workspace: workspace, events: [(.online, [:])]))
            }
            #expect(try await fixture.store.lastSequence(of: workspace.id) == 2, "a failed insert leaves nothing behind")
        }
    }

    @Test("a new generation revokes the tokens before it", arguments: DatabaseKind.present)
    func generations(_ kind: DatabaseKind) async throws {
        try await StoreFixture.with(kind) { fixture in
            let agent = try await fixture.workspace()
            let next = fixture.tokens.issue()
            fixture.clock.advance(by: .seconds(5))
            let row = try await fixture.store.beginGeneration(of: agent.id, token: next.digest).orFail()
            #expect(row.generation == 2)
            #expect(row.provisionStartedAt == fixture.clock.now())
            let old = try await fixture.store.tokenOwner(agent.token.digest.hash)
            #expect(old == TokenOwner(workspaceID: agent.id, generation: 1, removed: false, revoked: true))
            let current = try await fixture.store.tokenOwner(next.digest.hash)
            #expect(current == TokenOwner(workspaceID: agent.id, generation: 2, removed: false, revoked: false))
            #expect(try await fixture.store.tokenOwner(fixture.tokens.hash("nobody's")) == nil)

            try await fixture.store.recordContainer("old", version: nil, for: agent.id, generation: 1)
            try await fixture.store.recordAddress("http://127.0.0.1:1", for: agent.id, generation: 1)
            #expect(try await fixture.row(agent).containerID == nil)
            #expect(try await fixture.row(agent).url == nil)
            try await fixture.store.recordContainer("new", version: ImageVersion(id: "i", digest: "d"), for: agent.id, generation: 2)
            try await fixture.store.recordAddress("http://127.0.0.1:2", for: agent.id, generation: 2)
            let stored = try await fixture.row(agent)
            #expect((stored.containerID, stored.url) == ("new", "http://127.0.0.1:2"))
            #expect(stored.imageVersion == ImageVersion(id: "i", digest: "d"))
        }
    }

    @Test(
        "a lifecycle event moves the row by the machine, keeps its failure, and does nothing to another generation",
        arguments: DatabaseKind.present)
    func lifecycle(_ kind: DatabaseKind) async throws {
        try await StoreFixture.with(kind) { fixture in
            let agent = try await fixture.workspace()
            try await fixture.store.recordAddress("http://127.0.0.1:2", for: agent.id, generation: 1)
            let failure = WorkspaceFailure(code: .imageNotFound, message: "no image", next: "pull", at: fixture.clock.now())
            let event = LifecycleEvent.provisionFailed(code: .imageNotFound, message: "no image")
            #expect(try await fixture.store.apply(event, failure: failure, to: agent.id, generation: 2) == nil)
            let failed = try await fixture.store.apply(event, failure: failure, to: agent.id, generation: 1).orFail()
            #expect(failed.condition == .init(.failed, .provision))
            #expect((failed.failure, failed.url, failed.lastSampleError) == (failure, nil, "no image"))
            #expect(try await fixture.row(agent) == failed)
            #expect(try await fixture.store.apply(event, failure: failure, to: agent.id, generation: nil) == nil, "nothing left to change")

            let started = try await fixture.store.apply(.provisionStarted, failure: nil, to: agent.id, generation: nil).orFail()
            #expect((started.status, started.failure) == (.provisioning, nil))
            let events = try await fixture.storedEvents(agent.id)
            #expect(events.map(\.kind) == [.provisionFailed, .provisioning])
            #expect(events.last?.payload == ["name": "w", "tier": 2, "runtime": "echo"])
            #expect(events == fixture.committed.of(agent.id))
        }
    }

    @Test("removing a tree revokes, marks and reports every row in one transaction", arguments: DatabaseKind.present)
    func removal(_ kind: DatabaseKind) async throws {
        try await StoreFixture.with(kind) { fixture in
            let root = try await fixture.workspace(.init(.online), name: "root")
            let child = try await fixture.workspace(.init(.online), parent: root.id, name: "child")
            let grandchild = try await fixture.workspace(.init(.offline), parent: child.id, name: "grandchild")
            let other = try await fixture.workspace(name: "other")
            let below = try await fixture.store.liveDescendants(of: root.id)
            #expect(below.map(\.name) == ["child", "grandchild"])

            #expect(try await fixture.store.markRemoved(root.id, withDescendants: true) == .removed(descendants: below.map(\.id)))
            for agent in [root, child, grandchild] {
                let row = try await fixture.row(agent)
                #expect((row.status, row.pendingCleanup) == (.removed, true))
                #expect(try await fixture.store.tokenOwner(agent.token.digest.hash)?.revoked == true)
                let payload: JSONObject = agent.id == root.id ? ["cascade_deleted": 2] : [:]
                #expect(try await fixture.storedEvents(agent.id).map(\.payload) == [payload])
            }
            #expect(try await fixture.store.liveWorkspaces().map(\.id) == [other.id])
            #expect(try await fixture.store.workspacesPendingCleanup().map(\.name) == ["root", "child", "grandchild"])
            #expect(try await fixture.store.liveDescendants(of: root.id).isEmpty)
            #expect(try await fixture.store.beginGeneration(of: root.id, token: fixture.tokens.issue().digest) == nil)

            try await fixture.store.setPendingCleanup(false, for: child.id)
            #expect(try await fixture.store.workspacesPendingCleanup().map(\.name) == ["root", "grandchild"])
            #expect(try await fixture.store.markRemoved(root.id, withDescendants: false) == .removed(descendants: []))
            #expect(try await fixture.storedEvents(root.id).count == 1, "a second removal reports nothing")
        }
    }

    @Test("a cycle of parents ends the walk through descendants", arguments: DatabaseKind.present)
    func parentCycle(_ kind: DatabaseKind) async throws {
        try await StoreFixture.with(kind) { fixture in
            let first = WorkspaceID("0b0e9f3e-5f0a-4d0b-9c1a-000000000001").unsafelyUnwrapped
            let second = try await fixture.circle(with: first)
            #expect(try await fixture.store.liveDescendants(of: first).map(\.id) == [second])
        }
    }

    @Test("an event for a workspace that does not exist is refused", arguments: DatabaseKind.present)
    func strayEvent(_ kind: DatabaseKind) async throws {
        try await StoreFixture.with(kind) { fixture in
            let nobody = try WorkspaceID("00000000-0000-4000-8000-000000000000").orFail()
            let error = await #expect(throws: StoreError.self) { try await fixture.store.append(.online, payload: [:], to: nobody) }
            #expect(error?.code == .workspaceNotFound)
            #expect(fixture.committed.all.isEmpty)
        }
    }
}
