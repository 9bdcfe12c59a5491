import Model
import Provisioner
import TestSupport
import Testing

/// What is true after an engine call failed, at every call a create makes.
@Suite("A create whose engine fails")
struct FailureCompensationTests {
    enum Way: String, CaseIterable, Sendable { case refused, replyLost }

    private static let trouble = BackendError(.failed, .engineError, "the engine failed on its side")

    @Test("at any call: the row fails with the engine's code and nothing half-made stays", arguments: Way.allCases)
    func everyCall(_ way: Way) async throws {
        var visited: [String] = []
        for number in 1... {
            let world = try World(image: nil)
            world.engine.offerForPull(World.image)
            let fault: FaultScript.Fault = way == .refused ? .fail(Self.trouble) : .loseReply(Self.trouble)
            world.engine.faults.at(call: number, fault)
            let id = try await world.provisioned(world.provisioner())
            guard world.engine.faults.calls.count >= number else { break }
            let name = world.engine.faults.calls[number - 1]
            let row = try world.row(id)
            if row.status == .provisioning {
                // Asking where a running container is may fail: the recovery loop asks again.
                #expect(name == "container", "\(name)")
                _ = await world.boot()
                #expect(try world.row(id).url == world.onlyBox(of: id).facts.agentURL)
                if visited.contains("container") { break }
            } else {
                #expect(row.condition == WorkspaceCondition(.failed, .provision), "\(name)")
                #expect(row.failure?.code == .engineError && row.url == nil, "\(name)")
                #expect(!row.pendingCleanup, "\(name)")
                world.expectNothingLeft(of: id)
                #expect(world.kinds(id).last == .provisionFailed)
            }
            visited.append(name)
            if name == "container" { break }
        }
        #expect(
            visited == [
                "ensureNetwork", "image", "pull", "image", "createVolume", "createVolume", "containersOf", "createContainer", "copy",
                "start",
                "container",
            ])
    }

    @Test(
        "whose cleanup fails, too, keeps the cleanup pending until it is done",
        arguments: ["containersOf", "removeContainer", "volumesOf", "removeVolume"])
    func cleanupFails(_ call: String) async throws {
        let world = try World()
        world.engine.faults.on("copy", .fail(BackendError.full))
        let provisioner = world.provisioner()
        // The create itself lists containers once before it makes its own.
        for nth in (call == "containersOf" ? 2 : 1)...4 { world.engine.faults.on(call, nth: nth, .fail(BackendError.down)) }
        let id = try await world.provisioned(provisioner)
        #expect(try world.row(id).failure?.code == .diskFull)
        #expect(try world.row(id).pendingCleanup)
        world.engine.faults.clear()
        await world.loop(provisioner).fullPass()
        #expect(try !world.row(id).pendingCleanup)
        world.expectNothingLeft(of: id)
    }

    @Test("keeps the failure's cause, and hides the workspace's secrets in its log")
    func logTail() async throws {
        let world = try World()
        world.engine.faults.on("start", .hangAfter)
        let provisioner = world.provisioner()
        var request = world.request()
        request.secrets = ["API_KEY": "s3cret-value"]
        request.secretFiles = ["netrc": "hunter2hunter2"]
        let id = try await provisioner.create(request).workspace.id
        await world.engine.faults.waitUntilHung()
        let box = try world.onlyBox(of: id)
        world.engine.write(String(repeating: "é", count: 5000) + "\nkey s3cret-value file hunter2hunter2\n", to: box.facts.id)
        world.engine.faults.release()
        await provisioner.cancelAll()
        world.engine.kill(box.facts.id, exitCode: 1)
        _ = await world.boot()
        let tail = try #require(try world.row(id).failure?.logTail)
        #expect(tail.hasSuffix("\nkey [hidden] file [hidden]\n"))
        #expect(tail.utf8.count <= 8192 && tail.hasPrefix("é"))
    }

    @Test("whose secrets cannot be opened has failed: asking again gives the same answer")
    func secretsUnreadable() async throws {
        let world = try World()
        world.records.faults.on("secrets", nth: 0, .fail(StoreError(.secretsUnreadable, "the secret A cannot be opened")))
        let id = try await world.provisioned(world.provisioner())
        #expect(try world.row(id).failure?.code == .secretsUnreadable)
        #expect(try world.row(id).status == .failed)
    }

    @Test("whose store fails in the middle is taken up again, not forgotten")
    func storeFails() async throws {
        let world = try World()
        world.records.faults.on("append", nth: 8, .fail(StoreError.unavailable))
        let provisioner = world.provisioner()
        let id = try await world.provisioned(provisioner)
        #expect(try world.row(id).status == .provisioning)
        await world.loop(provisioner).fullPass()
        await provisioner.idle()
        #expect(try world.onlyBox(of: id).facts.state == .running)
        #expect(try world.row(id).url != nil)
    }
}
