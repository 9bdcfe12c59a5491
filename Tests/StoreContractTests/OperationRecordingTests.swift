import Model
import Store
import TestSupport
import Testing

@Suite("Operations, on both databases and in memory")
struct OperationRecordingTests {
    @Test("an operation is opened queued, runs, and ends with what came of it", arguments: RecordsKind.present)
    func life(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            let agent = try await fixture.workspace()
            let requestedAt = fixture.clock.now()
            let number = try await fixture.store.openOperation(.recover, on: agent.id, reason: "its container ended")
            #expect(number == 1)
            fixture.clock.advance(by: .seconds(1))
            let startedAt = fixture.clock.now()
            try await fixture.store.markOperation(number, .running, code: nil, reason: nil)
            fixture.clock.advance(by: .seconds(1))
            try await fixture.store.markOperation(number, .running, code: nil, reason: nil)
            let running = WorkspaceOperation(
                id: 1, workspaceID: agent.id, kind: .recover, state: .running, reason: "its container ended", code: nil,
                requestedAt: requestedAt, startedAt: startedAt, endedAt: nil)
            #expect(try await fixture.store.operations(of: agent.id, limit: 10) == [running])
            try await fixture.store.markOperation(number, .failed, code: .imageNotFound, reason: "no image")
            let endedAt = fixture.clock.now()
            fixture.clock.advance(by: .seconds(1))
            for state in WorkspaceOperation.State.allCases {
                try await fixture.store.markOperation(number, state, code: nil, reason: "too late")
            }
            let failed = WorkspaceOperation(
                id: 1, workspaceID: agent.id, kind: .recover, state: .failed, reason: "no image", code: .imageNotFound,
                requestedAt: requestedAt, startedAt: startedAt, endedAt: endedAt)
            #expect(try await fixture.store.operations(of: agent.id, limit: 10) == [failed], "what is over stays as it is")
            try await fixture.store.markOperation(99, .failed, code: nil, reason: nil)
        }
    }

    @Test("every kind and every end is stored and read back, the newest first and no more than asked", arguments: RecordsKind.present)
    func kinds(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            let (agent, other) = (try await fixture.workspace(), try await fixture.workspace())
            var expected: [String] = []
            for kind in WorkspaceOperation.Kind.allCases {
                for state in WorkspaceOperation.State.allCases {
                    let number = try await fixture.store.openOperation(kind, on: agent.id, reason: nil)
                    try await fixture.store.markOperation(number, state, code: nil, reason: nil)
                    _ = try await fixture.store.openOperation(kind, on: other.id, reason: nil)
                    expected.insert("\(number) \(kind) \(state) \(state.isOver)", at: 0)
                }
            }
            let stored = try await fixture.store.operations(of: agent.id, limit: 1000)
            #expect(stored.map { "\($0.id) \($0.kind) \($0.state) \($0.endedAt != nil)" } == expected)
            #expect(try await fixture.store.operations(of: agent.id, limit: 3).map(\.id) == stored.prefix(3).map(\.id))
            #expect(try await fixture.store.operations(of: LifecycleRecordingTests.nobody, limit: 3).isEmpty)
        }
    }

    @Test("what an earlier process left open ends as interrupted, and nothing else does", arguments: RecordsKind.present)
    func interrupted(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            let agent = try await fixture.workspace()
            for state in [WorkspaceOperation.State.queued, .running, .succeeded] {
                let number = try await fixture.store.openOperation(.restart, on: agent.id, reason: "why")
                try await fixture.store.markOperation(number, state, code: nil, reason: nil)
            }
            let done = try await fixture.store.operations(of: agent.id, limit: 1)
            fixture.clock.advance(by: .seconds(9))
            try await fixture.store.interruptOperations()
            let after = try await fixture.store.operations(of: agent.id, limit: 10)
            #expect(after.map(\.state) == [.succeeded, .interrupted, .interrupted])
            #expect(after.prefix(1) == done[...])
            #expect(after.dropFirst().allSatisfy { $0.endedAt == fixture.clock.now() && $0.reason == "why" })
            try await fixture.store.interruptOperations()
            #expect(try await fixture.store.operations(of: agent.id, limit: 10) == after)
        }
    }

    @Test("operations opened at once are numbered without gaps", arguments: RecordsKind.present)
    func numbers(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            let agent = try await fixture.workspace()
            let numbers = try await withThrowingTaskGroup(of: Int64.self) { group in
                for _ in 0..<40 { group.addTask { try await fixture.store.openOperation(.wake, on: agent.id, reason: nil) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(numbers.sorted() == (1...40).map { $0 })
        }
    }
}
