import Model
import Store
import TestSupport
import Testing

@Suite("Changes to a workspace, on both databases and in memory")
struct ChangeRecordingTests {
    private static func below(_ parent: WorkspaceID?) -> WorkspaceChange {
        var change = WorkspaceChange()
        change.parentID = .some(parent)
        return change
    }

    @Test("a change writes the fields it names, leaves the others, and is reported", arguments: RecordsKind.present)
    func fields(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            let agent = try await fixture.workspace(.init(.online))
            var expected = try await fixture.row(agent)
            var change = WorkspaceChange()
            (change.name, change.role, change.tier, change.hibernationIdleMinutes) = ("new", "helper", 3, .some(15))
            fixture.clock.advance(by: .seconds(1))
            change.apply(to: &expected)
            expected.updatedAt = fixture.clock.now()
            #expect(try await fixture.store.change(agent.id, change) == expected)
            #expect(try await fixture.row(agent) == expected)
            #expect((expected.role, expected.hibernationIdleMinutes) == ("helper", 15))

            var clearing = WorkspaceChange()
            (clearing.role, clearing.hibernationIdleMinutes) = (.some(nil), .some(nil))
            let cleared = try await fixture.store.change(agent.id, clearing).orFail()
            #expect((cleared.name, cleared.role, cleared.hibernationIdleMinutes) == ("new", nil, nil))
            let events = try await fixture.storedEvents(agent.id)
            #expect(events.map(\.kind) == [.updated, .updated])
            #expect(events.first?.payload == ["name": "new"])
            #expect(events == fixture.committed.of(agent.id))
        }
    }

    @Test("a missing row is no error, a removed one is", arguments: RecordsKind.present)
    func gone(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            var change = WorkspaceChange()
            change.name = "new"
            #expect(try await fixture.store.change(LifecycleRecordingTests.nobody, change) == nil)
            let removed = try await fixture.workspace(.init(.removed))
            let error = await #expect(throws: StoreError.self) { try await fixture.store.change(removed.id, change) }
            #expect(error?.code == .workspaceRemoved)
            #expect(error?.next != nil)
            #expect(try await fixture.row(removed).name == "w")
        }
    }

    @Test("a parent must be live, and neither the row itself nor below it", arguments: RecordsKind.present)
    func parents(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            let top = try await fixture.workspace(.init(.online), name: "top")
            let middle = try await fixture.workspace(.init(.online), parent: top.id, name: "middle")
            let bottom = try await fixture.workspace(.init(.online), parent: middle.id, name: "bottom")
            let removed = try await fixture.workspace(.init(.removed), name: "removed")
            for (parent, code) in [
                (top.id, ErrorCode.parentCycle), (middle.id, .parentCycle), (bottom.id, .parentCycle), (removed.id, .invalidField),
                (LifecycleRecordingTests.nobody, .invalidField),
            ] {
                let error = await #expect(throws: StoreError.self) { try await fixture.store.change(top.id, Self.below(parent)) }
                #expect(error?.code == code)
                #expect(error?.next != nil)
            }
            #expect(try await fixture.row(top).parentID == nil)
            #expect(fixture.committed.all.isEmpty)

            #expect(try await fixture.store.change(bottom.id, Self.below(top.id))?.parentID == top.id)
            #expect(try await fixture.store.change(middle.id, Self.below(bottom.id))?.parentID == bottom.id)
            let freed = try await fixture.store.change(bottom.id, Self.below(nil)).orFail()
            #expect(freed.parentID == nil)
        }
    }

    @Test("a circle of parents that is there already ends the walk", arguments: RecordsKind.present)
    func oldCircle(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            let first = WorkspaceID("0b0e9f3e-5f0a-4d0b-9c1a-000000000001").unsafelyUnwrapped
            _ = try await fixture.circle(with: first)
            let agent = try await fixture.workspace()
            #expect(try await fixture.store.change(agent.id, Self.below(first))?.parentID == first)
        }
    }

    @Test("two changes of parents that are harmless alone never close a circle together", arguments: RecordsKind.present)
    func oppositeChanges(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            for _ in 0..<25 {
                // The two changes have no row in common: locks on rows alone would let both pass.
                let (left, right) = (try await fixture.workspace(), try await fixture.workspace())
                let (belowLeft, belowRight) = (
                    try await fixture.workspace(parent: left.id), try await fixture.workspace(parent: right.id)
                )
                async let first = Result { try await fixture.store.change(left.id, Self.below(belowRight.id)) }
                async let second = Result { try await fixture.store.change(right.id, Self.below(belowLeft.id)) }
                let errors = await [first, second].compactMap { $0.error as? StoreError }
                #expect(errors.map(\.code) == [.parentCycle])
                let parents = [try await fixture.row(left).parentID, try await fixture.row(right).parentID]
                #expect(parents.count { $0 == nil } == 1)
            }
        }
    }
}

extension Result where Failure == any Error {
    init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }

    var error: (any Error)? { if case .failure(let error) = self { error } else { nil } }
}
