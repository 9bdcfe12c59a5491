import HTTP
import Model
import TestSupport
import Testing

@testable import API

@Suite("Images at the people's door")
struct ImageRouteTests {
    private func call(_ world: APIWorld, _ method: HTTP.Method, _ path: String) async throws -> (status: Int, body: JSONValue) {
        let answer = await world.call(method, path, bearer: APIWorld.admin)
        return (answer.status, try JSONValue(parsing: answer.text))
    }

    @Test("a refresh answers with the lists that existing clients read, and with what ours adds")
    func shape() async throws {
        let world = APIWorld()
        var fine = ImageOutcome(reference: "echo:1")
        fine.version = ImageVersion(id: "sha256:i", digest: "sha256:d")
        fine.recreated = ["ws-1", "ws-2"]
        fine.skipped = [RefreshSkip(name: "Ada", reason: "it is paused")]
        var bad = ImageOutcome(reference: "other:1")
        bad.failure = Failure(.rateLimited, "later", next: "wait")
        world.images.answer([fine, bad])
        let (status, body) = try await call(world, .post, "/admin/workspace-images/refresh")
        #expect(status == 200)
        #expect(body["pulled"] == ["echo"] && body["failed"] == ["other"] && body["recreated"] == ["ws-1", "ws-2"])
        #expect(body["skipped"] == [["name": "Ada", "reason": "it is paused"]])
        #expect(body["images"]?.array?.last?["code"] == "rate_limited")
        #expect(body["images"]?.array?.first?["version"]?["digest"] == "sha256:d")
        #expect(world.images.orders == [.refresh(nil, recreate: true, dryRun: false)])
    }

    @Test("of recreate only the exact text true means true", arguments: [("true", true), ("1", false), ("TRUE", false), ("", false)])
    func recreate(_ text: String, _ meaning: Bool) async throws {
        let world = APIWorld()
        _ = try await call(world, .post, "/admin/workspace-images/refresh?runtime=echo&recreate=\(text)")
        #expect(world.images.orders == [.refresh(["echo"], recreate: meaning, dryRun: false)])
    }

    @Test("a dry run tells what would be replaced, and replaces nothing")
    func dryRun() async throws {
        let world = APIWorld()
        var outcome = ImageOutcome(reference: "echo:1")
        outcome.recreated = ["ws-1"]
        world.images.answer([outcome])
        let (_, body) = try await call(world, .post, "/admin/workspace-images/refresh?runtime=echo&dry_run=true")
        #expect(body["recreated"] == [] && body["would_recreate"] == ["ws-1"] && body["dry_run"] == true)
        #expect(world.images.orders == [.refresh(["echo"], recreate: true, dryRun: true)])
    }

    @Test("an unknown runtime is 400 with the known ones; a rollback wants to know which")
    func refusals() async throws {
        let world = APIWorld()
        world.images.refuse(Failure(.runtimeUnknown, "unknown runtime: X", details: ["known_runtimes": ["echo"]]))
        let (status, body) = try await call(world, .post, "/admin/workspace-images/refresh?runtime=X")
        #expect(status == 400 && body["error"] == "unknown runtime: X" && body["known_runtimes"] == ["echo"])
        #expect(try await call(world, .post, "/admin/workspace-images/rollback").status == 400)
    }

    @Test("the list tells versions, checks, refusals and the pull under way")
    func list() async throws {
        let world = APIWorld()
        var image = TrackedImage(reference: "echo:1")
        image.current = ImageVersion(id: "sha256:i", digest: "sha256:d")
        image.checkedAt = Timestamp(seconds: 1_800_000_000)
        image.refused = RefusedImage(
            digest: "sha256:bad", failure: ImageFailure(code: .containerExited, message: "it ended", at: Timestamp(seconds: 5)), tries: 2)
        var report = ImageReport(image: image, runtimes: ["echo"])
        (report.workspaces, report.onCurrent, report.isHere) = (3, 2, true)
        report.pull = PullReport(
            progress: PullProgress(status: "Downloading", doneBytes: 1, totalBytes: 4, layersDone: 1, layersTotal: 2), bytesPerSecond: 1,
            secondsLeft: 3, isStalled: false)
        world.images.set([report])
        let (_, body) = try await call(world, .get, "/admin/workspace-images")
        let entry = try #require(body["images"]?.array?.first)
        #expect(entry["state"] == "pulling" && entry["current"]?["digest"] == "sha256:d" && entry["on_current"] == 2)
        #expect(entry["refused"]?["why"]?["code"] == "container_exited" && entry["refused"]?["tries"] == 2)
        #expect(entry["pull"]?["seconds_left"] == 3 && entry["pull"]?["layers_total"] == 2)
        #expect(entry["last_error"] == .null && entry["previous"] == .null)
    }

    @Test("a prune says what went and what stays")
    func prune() async throws {
        let world = APIWorld()
        let retired = RetiredImage(id: "sha256:i", reference: "echo:1", digest: nil, since: Timestamp(seconds: 1))
        world.images.answer([
            PrunedImage(image: retired, sizeBytes: 10, removed: true, reason: nil),
            PrunedImage(image: retired, sizeBytes: 20, removed: false, reason: "a container needs it"),
        ])
        let (_, body) = try await call(world, .post, "/admin/workspace-images/prune")
        #expect(body["freed_bytes"] == 10)
        #expect(body["images"]?.array?.map { $0["removed"] } == [true, false])
        #expect(world.images.orders == [.prune(dryRun: false)])
    }

    @Test("pulls, looks and rollbacks are counted in the metrics")
    func metrics() async {
        let world = APIWorld()
        var counts = ImageCounts()
        counts.pulls["success"] = ImageCounts.Pulls(count: 2, seconds: 1.5)
        counts.looks["rate_limited"] = 3
        (counts.bytes, counts.rollbacks) = (77, 1)
        world.images.set(counts)
        let text = await world.call(.get, "/metrics", bearer: APIWorld.admin).text
        for line in [
            "berth_image_pulls_total{result=\"success\"} 2", "berth_image_pull_seconds_total{result=\"success\"} 1.5",
            "berth_image_pull_bytes_total 77", "berth_image_head_requests_total{result=\"rate_limited\"} 3",
            "berth_image_rollbacks_total 1",
        ] { #expect(text.contains(line), "\(line)") }
    }

    @Test("canaries are nobody's workspaces: the list does not show them")
    func canaries() async throws {
        let world = APIWorld()
        world.add("real")
        world.add("canary of echo") { $0.isCanary = true }
        let (_, body) = try await call(world, .get, "/workspaces")
        #expect(body.array?.compactMap { $0["name"]?.string } == ["real"])
    }
}
