import Model
import TestSupport
import Testing

@testable import Store

@Suite("Families of workspaces, on both databases and in memory")
struct FamilyRecordingTests {
    private static func below(_ parent: WorkspaceID) -> WorkspaceChange {
        var change = WorkspaceChange()
        change.parentID = .some(parent)
        return change
    }

    @Test("a family is paused whole, parents first; what rests already stays as it is", arguments: RecordsKind.present)
    func pause(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            let root = try await fixture.workspace(.init(.online), name: "root")
            let resting = try await fixture.workspace(.init(.online), parent: root.id, name: "resting")
            let bottom = try await fixture.workspace(.init(.hibernated), parent: resting.id, name: "bottom")
            let other = try await fixture.workspace(.init(.online), name: "other")
            _ = try await fixture.store.apply(.pauseRequested(name: "resting"), failure: nil, to: resting.id, generation: nil)
            let moved = try await fixture.store.pauseFamily(of: root.id)
            #expect(moved.map(\.id) == [root.id, bottom.id] && moved.allSatisfy { $0.status == .paused })
            for agent in [root, resting, bottom] {
                #expect(try await fixture.row(agent).status == .paused)
                #expect(try await fixture.storedEvents(agent.id).map(\.kind) == [.paused])
            }
            #expect(try await fixture.row(other).status == .online)
            #expect(try await fixture.store.pauseFamily(of: root.id).isEmpty)
            #expect(try await fixture.store.pauseFamily(of: LifecycleRecordingTests.nobody).isEmpty)
        }
    }

    @Test("what lives below a workspace must be confirmed before it is removed", arguments: RecordsKind.present)
    func confirmation(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            let root = try await fixture.workspace(.init(.online), name: "root")
            let child = try await fixture.workspace(.init(.online), parent: root.id, name: "child")
            let bottom = try await fixture.workspace(.init(.online), parent: child.id, name: "bottom")
            guard case .needsConfirmation(let below) = try await fixture.store.markRemoved(root.id, withDescendants: false) else {
                Issue.record("it was removed")
                return
            }
            #expect(below.map(\.id) == [child.id, bottom.id])
            #expect(try await fixture.row(root).status == .online && fixture.committed.all.isEmpty)
            #expect(try await fixture.store.markRemoved(bottom.id, withDescendants: false) == .removed(descendants: []))
            #expect(try await fixture.store.markRemoved(root.id, withDescendants: true) == .removed(descendants: [child.id]))
        }
    }

    @Test("nothing starts, is made or is moved below a paused workspace", arguments: RecordsKind.present)
    func belowPaused(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            let root = try await fixture.workspace(.init(.online), name: "root")
            let child = try await fixture.workspace(.init(.online), parent: root.id)
            let bottom = try await fixture.workspace(.init(.online), parent: child.id)
            let running = try await fixture.workspace(.init(.online))
            let resting = try await fixture.workspace(.init(.paused))
            _ = try await fixture.store.pauseFamily(of: root.id)
            _ = try await fixture.store.apply(.provisionStarted, failure: nil, to: child.id, generation: nil)
            let attempts: [@Sendable () async throws -> Void] = [
                { _ = try await fixture.store.beginGeneration(of: bottom.id, token: fixture.tokens.issue().digest) },
                { _ = try await fixture.workspace(parent: bottom.id) },
                { _ = try await fixture.store.change(running.id, Self.below(child.id)) },
            ]
            for attempt in attempts {
                let error = await #expect(throws: StoreError.self) { try await attempt() }
                #expect(error?.code == .parentPaused)
                #expect(error?.next?.contains("berth workspaces resume") == true)
            }
            #expect(try await fixture.store.change(resting.id, Self.below(bottom.id))?.parentID == bottom.id)
            #expect(try await fixture.store.beginGeneration(of: root.id, token: fixture.tokens.issue().digest)?.status == .provisioning)
            #expect(try await fixture.store.change(running.id, Self.below(root.id))?.parentID == root.id)
        }
    }

    @Test(
        "a removal and a child that comes at the same moment: either the child is refused, or it is asked about",
        arguments: RecordsKind.present)
    func removalBesideInsert(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            for round in 0..<25 {
                let root = try await fixture.workspace(.init(.online))
                let other = try await fixture.workspace(.init(.online))
                async let comes = Result {
                    if round.isMultiple(of: 2) {
                        _ = try await fixture.workspace(parent: root.id)
                    } else {
                        _ = try await fixture.store.change(other.id, Self.below(root.id))
                    }
                }
                async let removal = fixture.store.markRemoved(root.id, withDescendants: false)
                let (refusal, outcome) = (await comes.error as? StoreError, try await removal)
                let below = try await fixture.store.liveDescendants(of: root.id)
                if outcome == .removed(descendants: []) {
                    #expect(refusal?.code == .invalidField && below.isEmpty)
                } else {
                    #expect(refusal == nil && below.count == 1)
                    #expect(try await fixture.row(root).status == .online)
                }
            }
        }
    }

    @Test("a pause and a start below it at the same moment: nothing runs", arguments: RecordsKind.present)
    func pauseBesideStart(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            for _ in 0..<25 {
                let root = try await fixture.workspace(.init(.online))
                let child = try await fixture.workspace(.init(.offline), parent: root.id)
                async let start = Result {
                    _ = try await fixture.store.beginGeneration(of: child.id, token: fixture.tokens.issue().digest)
                }
                async let pause = fixture.store.pauseFamily(of: root.id)
                let refusal = await start.error as? StoreError
                #expect(refusal == nil || refusal?.code == .parentPaused)
                #expect(try await pause.map(\.id) == [root.id, child.id])
                #expect(try await fixture.row(child).status == .paused)
            }
        }
    }
}
