import Foundation
import HTTP
import Model
import Testing

/// Versions of an image that move at a real registry, under workspaces that run on a real engine.
@Suite("images that move", .serialized, .enabled(if: World.engineHost != nil, "make test sets BERTH_TEST_DOCKER_HOST"))
struct ImageRefreshTests {
    private static let quick = [
        "IMAGE_AUTO_REFRESH": "true", "IMAGE_CHECK_INTERVAL_SECONDS": "1", "REFRESH_PROOF_SECONDS": "15", "STOP_GRACE_SECONDS": "2",
        "IMAGE_MIN_FREE_MB": "0",
    ]

    private func image(_ daemon: Daemon, _ reference: String) async throws -> JSONValue? {
        try await daemon.call(.get, "/admin/workspace-images").body["images"]?.array?.first { $0["image"]?.string == reference }
    }

    private func image(_ daemon: Daemon, _ reference: String, _ what: String, where holds: (JSONValue) -> Bool) async throws -> JSONValue {
        try await waitFor(seconds: 60, "\(what)\n\(daemon.news(30))") {
            guard let image = try await image(daemon, reference), holds(image) else { return nil }
            return image
        }
    }

    private func imageID(of id: String, _ world: World) throws -> String { try world.onlyContainer(of: id)["Image"]?.string ?? "" }

    private func say(_ daemon: Daemon, _ id: String) async throws -> Bool {
        let body: JSONValue = [
            "jsonrpc": "2.0", "id": 1, "method": "message/send",
            "params": ["message": ["role": "user", "messageId": "m", "parts": [["kind": "text", "text": "ahoy"]]]],
        ]
        return try await daemon.call(.post, "/workspaces/\(id)/a2a", body).body.text.contains("ahoy")
    }

    @Test("ten workspaces that want one image cause one pull, and all of them show it")
    func onePull() async throws {
        try await World.run { world in
            let registry = try await TestRegistry.start(world)
            defer { registry.stop() }
            let reference = try registry.publish(world, "team/echo:1", "LABEL n=\(UUID().uuidString)")
            try world.template("remote", "runtime: echo\nimage: \(reference)\n")
            let daemon = try await world.start(["MAX_CONCURRENT_PROVISIONS": "10", "IMAGE_MIN_FREE_MB": "0"])
            defer { daemon.stop() }
            var ids: [String] = []
            for number in 1...10 { ids.append(try await create(daemon, ["name": .string("w\(number)"), "template": "remote"])) }
            for id in ids { _ = try await daemon.workspace(id, within: 90, reaches: ["online"]) }
            #expect(registry.requests("GET /v2/team/echo/manifests/") <= 2, "one pull reads the tag, and what it names")
            let metrics = try await daemon.call(.get, "/metrics").body.string ?? ""
            #expect(metrics.contains("berth_image_pulls_total{result=\"success\"} 1"))
            for id in ids { _ = try await daemon.call(.delete, "/workspaces/\(id)?confirm=true") }
            try world.docker("rmi", "-f", reference)
        }
    }

    @Test("a moved tag is followed; a broken one is refused on a canary, and nobody is touched; a good one comes after it")
    func watcher() async throws {
        try await World.run { world in
            let registry = try await TestRegistry.start(world)
            defer { registry.stop() }
            let reference = try registry.publish(world, "team/echo:1", "LABEL n=1")
            try world.template("remote", "runtime: echo\nimage: \(reference)\n")
            let daemon = try await world.start(Self.quick)
            defer { daemon.stop() }
            let id = try await create(daemon, ["name": "w", "template": "remote"])
            _ = try await daemon.workspace(id, within: 60, reaches: ["online"])
            let first = try await registry.digest(world, "team/echo:1")
            _ = try await image(daemon, reference, "the first look") { $0["observed_digest"]?.string == first }
            var current = try imageID(of: id, world)

            for (number, broken) in [
                #"ENTRYPOINT ["/no/such/program"]"#, #"ENTRYPOINT ["/bin/busybox","false"]"#,
                #"ENTRYPOINT ["/bin/busybox","sleep","1000"]"#,
            ].enumerated() {
                let container = try world.onlyContainer(of: id)["Id"]
                try registry.publish(world, "team/echo:1", "LABEL bad=\(number)", broken)
                let digest = try await registry.digest(world, "team/echo:1")
                _ = try await image(daemon, reference, "\(broken) to be refused") { $0["refused"]?["digest"]?.string == digest }
                #expect(try world.onlyContainer(of: id)["Id"] == container, "nobody was touched")
                #expect(try world.docker("image", "inspect", "-f", "{{.Id}}", reference).contains(current), "the tag means what works")
            }

            try registry.publish(world, "team/echo:1", "LABEL n=2")
            let good = try await registry.digest(world, "team/echo:1")
            _ = try await image(daemon, reference, "the good one") {
                $0["current"]?["digest"]?.string == good && $0["refresh"]?["state"]?.string == "done"
            }
            _ = try await daemon.workspace(id, reaches: ["online"])
            #expect(try imageID(of: id, world) != current)
            current = try imageID(of: id, world)
            #expect(try await say(daemon, id))
            let row = try await daemon.call(.get, "/workspaces/\(id)").body
            #expect(row["image_version"]?["digest"]?.string == good)
            #expect(try world.containers().count == 1, "no canary is left")

            let back = try await daemon.call(.post, "/admin/workspace-images/rollback?runtime=echo", within: 120).body
            #expect(back["failed"] == [], "\(back.text)")
            _ = try await daemon.workspace(id, reaches: ["online"])
            #expect(try imageID(of: id, world) != current)
            #expect(try await say(daemon, id))
            _ = try await daemon.call(.delete, "/workspaces/\(id)?confirm=true")
            try world.docker("rmi", "-f", reference)
        }
    }

    @Test("without a template that starts by itself, the first workspace is the canary and is put back")
    func firstWorkspace() async throws {
        try await World.run { world in
            let registry = try await TestRegistry.start(world)
            defer { registry.stop() }
            let reference = try registry.publish(world, "team/echo:1", "LABEL n=1")
            try world.template("keyed", "runtime: echo\nimage: \(reference)\nruntime_config:\n  required_env: [KEY]\n")
            var settings = Self.quick
            settings["IMAGE_AUTO_REFRESH"] = "false"
            let daemon = try await world.start(settings)
            defer { daemon.stop() }
            var ids: [String] = []
            for name in ["a", "b"] {
                let id = try await create(daemon, ["name": .string(name), "template": "keyed", "secrets": ["KEY": "k"]])
                _ = try await daemon.workspace(id, within: 60, reaches: ["online"])
                ids.append(id)
            }
            let containers = try ids.map { try world.onlyContainer(of: $0)["Id"] }
            try registry.publish(world, "team/echo:1", #"ENTRYPOINT ["/bin/busybox","false"]"#)
            let refused = try await daemon.call(.post, "/admin/workspace-images/refresh?runtime=echo", within: 120).body
            #expect(refused["failed"] == ["echo"], "\(refused.text)")
            for id in ids { _ = try await daemon.workspace(id, reaches: ["online"]) }
            #expect(try ids.map { try world.onlyContainer(of: $0)["Id"] } == containers, "the same containers run again")
            for id in ids { #expect(try await say(daemon, id)) }

            try registry.publish(world, "team/echo:1", "LABEL n=2")
            let taken = try await daemon.call(.post, "/admin/workspace-images/refresh?runtime=echo", within: 120).body
            #expect(taken["pulled"] == ["echo"] && taken["recreated"]?.array?.count == 2, "\(taken.text)")
            for id in ids {
                _ = try await daemon.workspace(id, reaches: ["online"])
                #expect(try await say(daemon, id))
                _ = try await daemon.call(.delete, "/workspaces/\(id)?confirm=true")
            }
            try world.docker("rmi", "-f", reference)
        }
    }

    @Test("killed in the middle of a refresh, the next start ends it with every workspace running", arguments: [0.3, 0.9, 1.6, 2.4])
    func killed(_ seconds: Double) async throws {
        try await World.run { world in
            let registry = try await TestRegistry.start(world)
            defer { registry.stop() }
            let reference = try registry.publish(world, "team/echo:1", "LABEL n=1")
            try world.template("remote", "runtime: echo\nimage: \(reference)\n")
            var daemon = try await world.start(Self.quick)
            var ids: [String] = []
            for name in ["a", "b"] {
                let id = try await create(daemon, ["name": .string(name), "template": "remote"])
                _ = try await daemon.workspace(id, within: 60, reaches: ["online"])
                ids.append(id)
            }
            let first = try await registry.digest(world, "team/echo:1")
            _ = try await image(daemon, reference, "the first look") { $0["observed_digest"]?.string == first }
            try registry.publish(world, "team/echo:1", "LABEL n=2")
            let digest = try await registry.digest(world, "team/echo:1")
            _ = try await image(daemon, reference, "the refresh to begin") { $0["refresh"]?["target"]?.string == digest }
            try await Task.sleep(for: .seconds(seconds))
            daemon.kill9()
            daemon = try await world.start(Self.quick)
            defer { daemon.stop() }
            _ = try await image(daemon, reference, "the end of the refresh") {
                $0["refresh"]?["state"]?.string == "done" && $0["current"]?["digest"]?.string == digest
            }
            for id in ids {
                _ = try await daemon.workspace(id, reaches: ["online"])
                #expect(try await say(daemon, id))
            }
            _ = try await waitFor(seconds: 30, "one container for each\n\(daemon.news(20))") {
                try world.containers().count == 2 ? true : nil
            }
            for id in ids { _ = try await daemon.call(.delete, "/workspaces/\(id)?confirm=true") }
            try world.docker("rmi", "-f", reference)
        }
    }

    @Test("a private image wants a login, a wrong one is told as that, and a right one pulls; no password shows anywhere")
    func logins() async throws {
        try await World.run { world in
            let registry = try await TestRegistry.start(world)
            let port = registry.port
            let reference = try registry.publish(world, "team/echo:1", "LABEL n=\(UUID().uuidString)")
            registry.stop()
            let closed = try await TestRegistry.start(world, isPrivate: true, port: port)
            defer { closed.stop() }
            try world.template("remote", "runtime: echo\nimage: \(reference)\n")
            func attempt(_ password: String?) async throws -> JSONValue {
                var extra = ["IMAGE_MIN_FREE_MB": "0", "DOCKER_CONFIG": world.directory]
                if let password {
                    extra["REGISTRY_LOGINS"] = #"{"\#(reference.prefix { $0 != "/" })":{"username":"u","password":"\#(password)"}}"#
                }
                let daemon = try await world.start(extra)
                defer { daemon.stop() }
                let id = try await create(daemon, ["name": "w", "template": "remote"])
                let row = try await daemon.workspace(id, within: 60, reaches: ["online", "failed"])
                let all = try await daemon.call(.get, "/workspaces/\(id)/inspect").body.text + row.text + daemon.log.joined(separator: "\n")
                #expect(!all.contains("hunter2"))
                _ = try await daemon.call(.delete, "/workspaces/\(id)?confirm=true")
                return row
            }
            #expect(try await attempt(nil)["failure"]?["code"] == "pull_denied")
            #expect(try await attempt("hunter2")["failure"]?["code"] == "registry_login_failed")
            #expect(try await attempt("p")["status"] == "online")
            try world.docker("rmi", "-f", reference)
        }
    }

    @Test("a missing tag, a registry that is down and one that is nowhere each have their code and next step")
    func codes() async throws {
        try await World.run { world in
            let registry = try await TestRegistry.start(world)
            defer { registry.stop() }
            for (name, image) in [
                ("tag", "\(registry.address)/team/nothing:9"), ("down", "127.0.0.1:1/team/echo:1"),
                ("nowhere", "no-such-host.invalid/team/echo:1"),
            ] { try world.template(name, "runtime: echo\nimage: \(image)\n") }
            let daemon = try await world.start(["IMAGE_MIN_FREE_MB": "0"])
            defer { daemon.stop() }
            for (name, code) in [("tag", "image_not_found"), ("down", "registry_unreachable"), ("nowhere", "registry_unknown")] {
                let id = try await create(daemon, ["name": .string(name), "template": .string(name)])
                let row = try await daemon.workspace(id, within: 60, reaches: ["failed"])
                #expect(row["failure"]?["code"]?.string == code, "\(name): \(row["failure"]?.text ?? "")")
                #expect(row["failure"]?["next"]?.string?.isEmpty == false)
            }
        }
    }

    @Test("too little room is refused before anything is pulled")
    func room() async throws {
        try await World.run { world in
            let registry = try await TestRegistry.start(world)
            defer { registry.stop() }
            let reference = try registry.publish(world, "team/echo:1", "LABEL n=\(UUID().uuidString)")
            try world.template("remote", "runtime: echo\nimage: \(reference)\n")
            let daemon = try await world.start(["IMAGE_MIN_FREE_MB": "900000000"])
            defer { daemon.stop() }
            let id = try await create(daemon, ["name": "w", "template": "remote"])
            let row = try await daemon.workspace(id, reaches: ["failed"])
            #expect(row["failure"]?["code"] == "disk_full", "\(row["failure"]?.text ?? "")")
            #expect(registry.requests("GET /v2/team/echo/manifests/") == 0)
        }
    }
}
