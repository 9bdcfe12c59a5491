import Model
import Store
import TestSupport
import Testing

@Suite("Images and trials, on both databases and in memory")
struct ImageRecordingTests {
    private static func full(_ reference: String, _ state: ImageRollout.State) -> TrackedImage {
        let failure = ImageFailure(code: .rateLimited, message: "later", at: Timestamp(seconds: 3))
        var image = TrackedImage(reference: reference)
        image.observedDigest = "sha256:seen"
        image.checkedAt = Timestamp(seconds: 2)
        image.checkFailure = failure
        image.current = ImageVersion(id: "sha256:new", digest: "sha256:newd")
        image.previous = ImageVersion(id: "sha256:old", digest: nil)
        image.refused = RefusedImage(digest: "sha256:bad", failure: failure, tries: 2)
        var rollout = ImageRollout(state: state, target: "sha256:newd", recreates: true, isRollback: true, startedAt: Timestamp(seconds: 1))
        (rollout.endedAt, rollout.done, rollout.total, rollout.failure) = (Timestamp(seconds: 9), 3, 4, failure)
        image.rollout = rollout
        return image
    }

    @Test("a reference that is forgotten leaves its versions among the retired", arguments: RecordsKind.present)
    func forgotten(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            for reference in ["a:1", "b:1"] { try await fixture.store.save(TrackedImage(reference: reference), retired: [], audit: []) }
            let retired = RetiredImage(id: "id-1", reference: "a:1", digest: "sha256:1", since: Timestamp(seconds: 5))
            try await fixture.store.forgetImage("a:1", retired: [retired])
            #expect(try await fixture.store.trackedImages().map(\.reference) == ["b:1"])
            #expect(try await fixture.store.retiredImages() == [retired])
        }
    }

    @Test("an image comes back exactly as it was saved, in every state of its refresh", arguments: RecordsKind.present)
    func roundTrip(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            var images = ImageRollout.State.allCases.map { Self.full("a/\($0.rawValue):1", $0) }
            images.append(TrackedImage(reference: "z:1"))
            images.sort { $0.reference < $1.reference }
            for image in images.reversed() { try await fixture.store.save(image, retired: [], audit: []) }
            #expect(try await fixture.store.trackedImages() == images, "in the order of their references")
            #expect(try await fixture.store.trackedImage("z:1") == TrackedImage(reference: "z:1"))
            #expect(try await fixture.store.trackedImage("y:1") == nil)

            try await fixture.store.save(TrackedImage(reference: images[0].reference), retired: [], audit: [])
            #expect(try await fixture.store.trackedImage(images[0].reference) == TrackedImage(reference: images[0].reference))
        }
    }

    @Test("a retired image keeps the time it was first retired at, until it is forgotten", arguments: RecordsKind.present)
    func retired(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            func retired(_ id: String, _ seconds: Int64) -> RetiredImage {
                RetiredImage(id: id, reference: "a:1", digest: nil, since: Timestamp(seconds: seconds))
            }
            let audit = AuditEvent(kind: .imageRemoved, workspaceID: nil, at: Timestamp(seconds: 9), payload: ["id": "one"])
            try await fixture.store.save(TrackedImage(reference: "a:1"), retired: [retired("one", 2), retired("two", 1)], audit: [])
            try await fixture.store.save(TrackedImage(reference: "a:1"), retired: [retired("one", 5)], audit: [])
            #expect(try await fixture.store.retiredImages() == [retired("two", 1), retired("one", 2)])
            try await fixture.store.forgetRetired(["one", "unknown"], audit: [audit])
            #expect(try await fixture.store.retiredImages() == [retired("two", 1)])
            #expect(try await fixture.store.auditEvents(after: 0, limit: 9).map(\.kind) == [.imageRemoved])
        }
    }

    @Test("a trial begins a generation and remembers the one before; only one at a time", arguments: RecordsKind.present)
    func trial(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            let agent = try await fixture.workspace(.init(.online))
            let (token, other) = (fixture.tokens.issue(), fixture.tokens.issue())
            let begun = try await fixture.store.beginTrial(of: agent.id, token: token.digest, keeping: "old").orFail()
            #expect(begun.kept == KeptContainer(id: "old", generation: 1))
            #expect((begun.generation, begun.status) == (2, .provisioning))
            #expect(try await fixture.row(agent) == begun)
            #expect(try await fixture.store.tokenOwner(agent.token.digest.hash)?.revoked == true)
            #expect(try await fixture.store.tokenOwner(token.digest.hash)?.generation == 2)
            #expect(try await fixture.store.beginTrial(of: agent.id, token: other.digest, keeping: "x") == nil)

            try await fixture.store.endTrial(of: agent.id)
            #expect(try await fixture.row(agent).kept == nil)
            #expect(
                try await fixture.store.returnToKept(.init(id: "old", generation: 1), of: agent.id, token: other.digest, version: nil)
                    == nil)
        }
    }

    @Test("a new generation that somebody wants ends the trial", arguments: RecordsKind.present)
    func restartedMeanwhile(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            let agent = try await fixture.workspace(.init(.online))
            let (tried, wanted) = (fixture.tokens.issue(), fixture.tokens.issue())
            _ = try await fixture.store.beginTrial(of: agent.id, token: tried.digest, keeping: "old").orFail()
            let row = try await fixture.store.beginGeneration(of: agent.id, token: wanted.digest).orFail()
            #expect((row.generation, row.kept) == (3, nil))
            #expect(try await fixture.row(agent).kept == nil)
        }
    }

    @Test("a row that was paused in the middle of a trial goes back and goes on resting", arguments: RecordsKind.present)
    func restingMeanwhile(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            let agent = try await fixture.workspace(.init(.online))
            let (tried, after) = (fixture.tokens.issue(), fixture.tokens.issue())
            let begun = try await fixture.store.beginTrial(of: agent.id, token: tried.digest, keeping: "old").orFail()
            _ = try await fixture.store.apply(.pauseRequested(name: "w"), failure: nil, to: agent.id, generation: nil)
            let row = try await fixture.store.returnToKept(
                begun.kept.orFail(), of: agent.id, token: after.digest, version: nil
            ).orFail()
            #expect((row.status, row.generation, row.kept, row.provisionStartedAt) == (.paused, 1, nil, begun.provisionStartedAt))
            #expect(try await fixture.row(agent) == row)
            #expect(try await fixture.store.tokenOwner(after.digest.hash)?.revoked == false)
        }
    }

    @Test("what rests, waits or is gone is not tried on", arguments: RecordsKind.present)
    func untried(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            for status in WorkspaceStatus.allCases where ![.online, .degraded].contains(status) {
                let agent = try await fixture.workspace(.init(status))
                let token = fixture.tokens.issue()
                #expect(try await fixture.store.beginTrial(of: agent.id, token: token.digest, keeping: "c") == nil, "\(status)")
                #expect(try await fixture.row(agent).generation == 1)
            }
        }
    }

    @Test("a trial that failed leads back to the former generation, under a new token", arguments: RecordsKind.present)
    func back(_ kind: RecordsKind) async throws {
        try await RecordsFixture.with(kind) { fixture in
            let agent = try await fixture.workspace(.init(.online))
            let (tried, after) = (fixture.tokens.issue(), fixture.tokens.issue())
            let begun = try await fixture.store.beginTrial(of: agent.id, token: tried.digest, keeping: "old").orFail()
            try await fixture.store.recordContainer("new", version: nil, for: agent.id, generation: 2)
            let kept = try begun.kept.orFail()
            let version = ImageVersion(id: "i", digest: nil)
            let row = try await fixture.store.returnToKept(kept, of: agent.id, token: after.digest, version: version).orFail()
            #expect((row.generation, row.containerID, row.status) == (1, "old", .provisioning))
            #expect((row.kept, row.imageVersion) == (nil, version))
            #expect(try await fixture.row(agent) == row)
            #expect(try await fixture.store.tokenOwner(tried.digest.hash)?.revoked == true)
            let owner = try await fixture.store.tokenOwner(after.digest.hash)
            #expect(owner == TokenOwner(workspaceID: agent.id, generation: 1, removed: false, revoked: false))
            #expect(try await fixture.store.returnToKept(kept, of: agent.id, token: tried.digest, version: nil) == nil, "once")
        }
    }
}
