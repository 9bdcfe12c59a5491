import Model
import Secrets
import Store
import TestSupport
import Testing

@Suite("Orphans and audit events, on both databases and in memory")
struct OrphanRecordingTests {
    private static func labels(_ last: Int, parent: WorkspaceID? = nil) -> WorkspaceLabels {
        let id = WorkspaceID("0b0e9f3e-5f0a-4d0b-9c1a-\(String(100_000_000_000 + last))").unsafelyUnwrapped
        var workspace = Workspace(
            id: id, name: "orphan \(last)", runtime: "echo", condition: .init(.online), createdAt: Timestamp(seconds: 1))
        (workspace.template, workspace.tier, workspace.parentID, workspace.generation) = ("echo", 3, parent, 7)
        return WorkspaceLabels(workspace: workspace)
    }

    private static func orphan(_ last: Int, cause: Orphan.Cause = .rowMissing, state: Orphan.State = .found) -> Orphan {
        Orphan(
            labels: labels(last, parent: labels(99).workspace), containerID: "c\(last)", cause: cause, state: state,
            createdAt: Timestamp(seconds: 5), firstSeenAt: Timestamp(seconds: 6))
    }

    private static func audit(_ kind: AuditEvent.Kind, _ id: WorkspaceID?, _ payload: JSONObject = [:]) -> AuditEvent {
        AuditEvent(kind: kind, workspaceID: id, at: Timestamp(seconds: 7), payload: payload)
    }

    private static func adoption(_ last: Int, token: TokenDigest? = nil, at now: Timestamp) -> NewWorkspace {
        let labels = labels(last)
        var workspace = Workspace(
            id: labels.workspace, name: labels.workspaceName, runtime: labels.runtimeName, condition: .init(.offline), createdAt: now)
        workspace.adoptedAt = now
        workspace.generation = labels.generationNumber
        return NewWorkspace(workspace: workspace, secrets: ["KEY": "value"], token: token)
    }

    @Test("an orphan comes back exactly as it was saved, with every cause and state", arguments: RecordsKind.present)
    func roundTrip(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            var orphans = Orphan.Cause.allCases.enumerated().map { Self.orphan($0.offset, cause: $0.element) }
            orphans += Orphan.State.allCases.enumerated().map { Self.orphan(10 + $0.offset, state: $0.element) }
            orphans[0].containerID = nil
            (orphans[1].createdAt, orphans[1].parentID) = (nil, nil)
            orphans[2].quarantinedAt = Timestamp(seconds: 8)
            orphans[3].awaitsDecision = true
            try await fixture.store.saveOrphans(orphans.reversed(), forgetting: [], audit: [])
            #expect(try await fixture.store.orphans() == orphans, "in the order of their ids")
        }
    }

    @Test("saving replaces, forgetting removes, and the audit goes with them", arguments: RecordsKind.present)
    func replaced(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            try await fixture.store.saveOrphans([Self.orphan(1), Self.orphan(2)], forgetting: [], audit: [])
            var second = Self.orphan(2, state: .quarantined)
            (second.quarantinedAt, second.containerID) = (Timestamp(seconds: 9), nil)
            let (first, unknown) = (Self.labels(1).workspace, Self.labels(3).workspace)
            try await fixture.store.saveOrphans(
                [second], forgetting: [first, unknown], audit: [Self.audit(.orphanQuarantined, second.workspaceID)])
            #expect(try await fixture.store.orphans() == [second])
            #expect(try await fixture.store.auditEvents(after: 0, limit: 10).map(\.kind) == [.orphanQuarantined])
        }
    }

    @Test("audit events are numbered from 1 without gaps and read in that order", arguments: RecordsKind.present)
    func audit(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            let id = Self.labels(1).workspace
            let kinds = AuditEvent.Kind.allCases
            try await fixture.store.saveOrphans(
                [], forgetting: [], audit: kinds.map { Self.audit($0, id, ["n": .number(JSONNumber(1.5))]) })
            try await fixture.store.saveOrphans([], forgetting: [], audit: [Self.audit(.orphanHoldBegan, nil)])
            let stored = try await fixture.store.auditEvents(after: 0, limit: 100)
            #expect(stored.map(\.sequence) == (1...Int64(kinds.count + 1)).map { $0 })
            #expect(stored.map(\.kind) == kinds + [.orphanHoldBegan])
            #expect(
                stored.first
                    == AuditEvent(
                        sequence: 1, kind: kinds[0], workspaceID: id, at: Timestamp(seconds: 7), payload: ["n": .number(JSONNumber(1.5))]))
            #expect(stored.last?.workspaceID == nil)
            #expect(try await fixture.store.auditEvents(after: 2, limit: 2).map(\.sequence) == [3, 4])
        }
    }

    @Test("audit events written at once are numbered without gaps", arguments: RecordsKind.present)
    func auditAtOnce(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<20 {
                    group.addTask {
                        let pair = [Self.orphan(index), Self.orphan((index + 1) % 20)]
                        try await fixture.store.saveOrphans(pair, forgetting: [], audit: [Self.audit(.orphanFound, nil)])
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await fixture.store.auditEvents(after: 0, limit: 100).map(\.sequence) == (1...20).map { $0 })
            #expect(try await fixture.store.orphans().count == 20)
        }
    }

    @Test("an adopted orphan is a workspace with its token and secrets, and no orphan any more", arguments: RecordsKind.present)
    func adopted(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            try await fixture.store.saveOrphans([Self.orphan(1), Self.orphan(2)], forgetting: [], audit: [])
            let token = fixture.tokens.issue()
            let new = Self.adoption(1, token: token.digest, at: fixture.clock.now())
            let id = new.workspace.id
            #expect(try await fixture.store.adopt(new, audit: Self.audit(.orphanAdopted, id)))
            #expect(try await fixture.store.workspace(id) == new.workspace)
            #expect(try await fixture.store.secrets(of: id).environment == ["KEY": "value"])
            #expect(
                try await fixture.store.tokenOwner(token.digest.hash)
                    == TokenOwner(workspaceID: id, generation: 7, removed: false, revoked: false))
            #expect(try await fixture.store.orphans().map(\.workspaceID) == [Self.labels(2).workspace])
            #expect(try await fixture.store.auditEvents(after: 0, limit: 10).map(\.workspaceID) == [id])
            let events = try await fixture.storedEvents(id)
            #expect(events.map(\.kind) == [.adopted])
            #expect(events.first?.payload == ["name": "orphan 1", "runtime": "echo"])
            #expect(events == fixture.committed.all)
        }
    }

    @Test("adopting what has a row, in whichever status, does nothing and says so", arguments: RecordsKind.present)
    func adoptedTwice(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            for (last, removed) in [(1, false), (2, true)] {
                let new = Self.adoption(last, at: fixture.clock.now())
                let id = new.workspace.id
                #expect(try await fixture.store.adopt(new, audit: Self.audit(.orphanAdopted, id)))
                if removed { _ = try await fixture.store.markRemoved(id, withDescendants: false) }
                try await fixture.store.saveOrphans([Self.orphan(last)], forgetting: [], audit: [])
                let row = try await fixture.store.workspace(id)
                let events = try await fixture.storedEvents(id)
                var again = Self.adoption(last, token: fixture.tokens.issue().digest, at: fixture.clock.now())
                again.workspace.name = "another"
                #expect(try await fixture.store.adopt(again, audit: Self.audit(.orphanAdopted, id)) == false)
                #expect(try await fixture.store.workspace(id) == row)
                #expect(try await fixture.storedEvents(id) == events)
                #expect(try await fixture.store.orphans().map(\.workspaceID).contains(id))
            }
            #expect(try await fixture.store.auditEvents(after: 0, limit: 10).count == 2)
        }
    }

    @Test("of many who adopt the same orphan at once, one does", arguments: RecordsKind.present)
    func adoptedAtOnce(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            let new = Self.adoption(1, at: fixture.clock.now())
            let adopted = try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<8 {
                    group.addTask { try await fixture.store.adopt(new, audit: Self.audit(.orphanAdopted, new.workspace.id)) }
                }
                return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            #expect(adopted == 1)
            #expect(try await fixture.storedEvents(new.workspace.id).map(\.sequence) == [1])
            #expect(try await fixture.store.auditEvents(after: 0, limit: 10).map(\.sequence) == [1])
        }
    }

    @Test("statuses are found for as many ids as are asked for, and none for a stranger", arguments: RecordsKind.present)
    func statuses(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            var expected: [WorkspaceID: WorkspaceStatus] = [:]
            for index in 0..<205 {
                let status = WorkspaceStatus.allCases[index % WorkspaceStatus.allCases.count]
                let condition = WorkspaceCondition.all.first { $0.status == status }.unsafelyUnwrapped
                expected[try await fixture.workspace(condition).id] = status
            }
            let asked = Array(expected.keys) + [LifecycleRecordingTests.nobody]
            #expect(try await fixture.store.statuses(of: asked) == expected)
            #expect(try await fixture.store.statuses(of: Array(asked.prefix(1))) == [asked[0]: expected[asked[0]].unsafelyUnwrapped])
            #expect(try await fixture.store.statuses(of: []).isEmpty)
        }
    }
}
