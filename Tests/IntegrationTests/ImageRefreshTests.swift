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

    /// How an image can be no good.
    private enum Fault: String, CaseIterable {
        case noEntrypoint, crashes, neverRegisters, wrongArchitecture

        func publish(_ registry: TestRegistry, _ world: World, _ name: String) throws {
            let label = "LABEL bad=\(UUID().uuidString)"
            switch self {
            case .noEntrypoint: try registry.publish(world, name, label, #"ENTRYPOINT ["/no/such/program"]"#)
            case .crashes: try registry.publish(world, name, label, #"ENTRYPOINT ["/bin/busybox","false"]"#)
            case .neverRegisters: try registry.publish(world, name, label, #"ENTRYPOINT ["/bin/busybox","sleep","1000"]"#)
            case .wrongArchitecture: try registry.publishForeign(world, name)
            }
        }
    }

    /// nil is a good one. In the long rounds 50 moves, 15 of them to images that are no good.
    private static var moves: [Fault?] {
        guard ProcessInfo.processInfo.environment["BERTH_TEST_SOAK"] != nil else { return Fault.allCases + [nil] }
        return (0..<50).map { [2, 5, 8].contains($0 % 10) ? Fault.allCases[$0 % 4] : nil }
    }

    @Test(
        "a moved tag is followed; one that is no good is refused on a canary, and nobody is touched; the registry is asked no more than agreed"
    )
    func watcher() async throws {
        try await World.run { world in
            let registry = try await TestRegistry.start(world)
            defer { registry.stop() }
            let reference = try registry.publish(world, "team/echo:1", "LABEL n=1")
            try world.template("remote", "runtime: echo\nimage: \(reference)\n")
            var settings = Self.quick
            settings["REFRESH_PROOF_SECONDS"] = "8"
            let start = ContinuousClock.now
            let daemon = try await world.start(settings)
            defer { daemon.stop() }
            let id = try await create(daemon, ["name": "w", "template": "remote"])
            _ = try await daemon.workspace(id, within: 60, reaches: ["online"])
            var digest = try await registry.digest(world, "team/echo:1")
            _ = try await image(daemon, reference, "the first look") { $0["observed_digest"]?.string == digest }

            for (number, fault) in Self.moves.enumerated() {
                let (container, current) = (try world.onlyContainer(of: id)["Id"], try imageID(of: id, world))
                if let fault {
                    try fault.publish(registry, world, "team/echo:1")
                    digest = try await registry.digest(world, "team/echo:1")
                    _ = try await image(daemon, reference, "\(fault) to be refused") { $0["refused"]?["digest"]?.string == digest }
                    #expect(try world.onlyContainer(of: id)["Id"] == container, "nobody was touched")
                    #expect(try world.docker("image", "inspect", "-f", "{{.Id}}", reference).contains(current), "the tag means what works")
                } else {
                    try registry.publish(world, "team/echo:1", "LABEL good=\(number)")
                    digest = try await registry.digest(world, "team/echo:1")
                    _ = try await image(daemon, reference, "the good one") {
                        $0["current"]?["digest"]?.string == digest && $0["refresh"]?["state"]?.string == "done"
                    }
                    _ = try await daemon.workspace(id, reaches: ["online"])
                    #expect(try imageID(of: id, world) != current)
                    #expect(try await say(daemon, id))
                }
            }
            let row = try await daemon.call(.get, "/workspaces/\(id)").body
            #expect(row["image_version"]?["digest"]?.string == digest)
            #expect(try world.containers().count == 1, "no canary is left")

            let (fetched, looked) = (registry.requests("GET /v2/team/echo/manifests"), registry.requests("HEAD /v2/team/echo/manifests"))
            #expect(looked <= Int((ContinuousClock.now - start).components.seconds) + 2, "one HEAD for each second at most")
            _ = try await waitFor(seconds: 30, "some quiet rounds") {
                registry.requests("HEAD /v2/team/echo/manifests") >= looked + 3 ? true : nil
            }
            #expect(registry.requests("GET /v2/team/echo/manifests") == fetched, "nothing is fetched when nothing moved")

            let current = try imageID(of: id, world)
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

    /// The calls of a refresh that change the engine, in their order: the pull, the canary from its volumes to its end, the tag, and the
    /// workspace, whose former container is renamed, stopped and in the end removed.
    private static let calls: [EngineTap.Call] = [
        .init(method: "POST", pathPart: "/images/create", occurrence: 1), .init(method: "POST", pathPart: "/tag", occurrence: 1),
        .init(method: "POST", pathPart: "/volumes/create", occurrence: 2),
        .init(method: "POST", pathPart: "/containers/create", occurrence: 1), .init(method: "PUT", pathPart: "/archive", occurrence: 1),
        .init(method: "POST", pathPart: "/start", occurrence: 1), .init(method: "DELETE", pathPart: "/containers/", occurrence: 1),
        .init(method: "DELETE", pathPart: "/volumes/", occurrence: 2), .init(method: "POST", pathPart: "/tag", occurrence: 2),
        .init(method: "POST", pathPart: "/rename", occurrence: 1), .init(method: "POST", pathPart: "/containers/create", occurrence: 2),
        .init(method: "POST", pathPart: "/stop", occurrence: 1), .init(method: "PUT", pathPart: "/archive", occurrence: 2),
        .init(method: "POST", pathPart: "/start", occurrence: 2), .init(method: "DELETE", pathPart: "/containers/", occurrence: 2),
    ]

    struct Point: Sendable, CustomTestStringConvertible {
        let call: EngineTap.Call
        let moment: EngineTap.Moment

        var testDescription: String { "\(moment.rawValue) \(call)" }
    }

    /// A few in every run, all in the long rounds.
    private static var points: [Point] {
        let all = calls.flatMap { call in EngineTap.Moment.allCases.map { Point(call: call, moment: $0) } }
        guard ProcessInfo.processInfo.environment["BERTH_TEST_SOAK"] == nil else { return all }
        return [0, 11, 19, 23, 29].map { all[$0] }
    }

    @Test("killed at a call of a refresh, the next start ends it with every workspace running", arguments: points)
    func killed(_ point: Point) async throws {
        try await World.run { world in
            let registry = try await TestRegistry.start(world)
            defer { registry.stop() }
            let reference = try registry.publish(world, "team/echo:1", "LABEL n=\(UUID().uuidString)")
            try world.template("remote", "runtime: echo\nimage: \(reference)\n")
            let tap = try EngineTap(socketPath: world.directory + "/tap.sock", enginePath: world.engineSocket)
            defer { tap.close() }
            var settings = Self.quick
            settings["DOCKER_HOST"] = "unix://" + tap.socketPath
            var daemon = try await world.start(settings)
            let id = try await create(daemon, ["name": "a", "template": "remote"])
            _ = try await daemon.workspace(id, within: 60, reaches: ["online"])
            let first = try await registry.digest(world, "team/echo:1")
            _ = try await image(daemon, reference, "the first look") { $0["observed_digest"]?.string == first }
            let pid = daemon.process.processIdentifier
            tap.arm(point.call, point.moment) { kill(pid, SIGKILL) }
            try registry.publish(world, "team/echo:1", "LABEL n=\(UUID().uuidString)")
            let digest = try await registry.digest(world, "team/echo:1")
            _ = try await waitFor(seconds: 60, "the daemon to die\n\(daemon.news(30))") { daemon.process.isRunning ? nil : true }
            #expect(!tap.isArmed)
            daemon = try await world.start(settings)
            defer { daemon.stop() }
            _ = try await image(daemon, reference, "the end of the refresh") {
                $0["refresh"]?["state"]?.string == "done" && $0["current"]?["digest"]?.string == digest
            }
            _ = try await daemon.workspace(id, reaches: ["online"])
            #expect(try await say(daemon, id))
            _ = try await waitFor(seconds: 30, "one container\n\(daemon.news(20))") { try world.containers().count == 1 ? true : nil }
            #expect(
                try await daemon.call(.get, "/workspaces/\(id)").body["image_version"]?["digest"]?.string == digest, "\(daemon.news(60))")
            _ = try await daemon.call(.delete, "/workspaces/\(id)?confirm=true")
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
            let closed = try await TestRegistry.start(world, .password, port: port)
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
                let events = try await daemon.events(of: id, upTo: "WORKSPACE_ONLINE", "WORKSPACE_PROVISION_FAILED")
                let all =
                    try await daemon.call(.get, "/workspaces/\(id)/inspect").body.text + row.text + events
                    + daemon.log.joined(separator: "\n")
                if let code = row["failure"]?["code"]?.string { #expect(events.contains(code)) }
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

    @Test("behind a token server a login opens it, for the engine and for the watcher, and a token is used for its lifetime")
    func tokens() async throws {
        try await World.run { world in
            let open = try await TestRegistry.start(world)
            let reference = try open.publish(world, "team/echo:1", "LABEL n=\(UUID().uuidString)")
            let first = try await open.digest(world, "team/echo:1")
            open.stop()
            let server = try TokenServer(in: world.directory, repository: "team/echo")
            defer { server.close() }
            let closed = try await TestRegistry.start(world, .token(server), port: open.port)
            defer { closed.stop() }
            try world.template("remote", "runtime: echo\nimage: \(reference)\n")
            let host = String(reference.prefix { $0 != "/" })
            var settings = Self.quick
            settings["DOCKER_CONFIG"] = world.directory
            for (password, code) in [(nil, "pull_denied"), ("hunter2", "registry_login_failed")] {
                settings["REGISTRY_LOGINS"] = password.map { #"{"\#(host)":{"username":"u","password":"\#($0)"}}"# }
                let daemon = try await world.start(settings)
                defer { daemon.stop() }
                let id = try await create(daemon, ["name": "w", "template": "remote"])
                let row = try await daemon.workspace(id, within: 60, reaches: ["online", "failed"])
                #expect(row["failure"]?["code"]?.string == code, "\(row.text)\n\(daemon.news(20))")
                try await daemon.call(.delete, "/workspaces/\(id)?confirm=true")
            }
            settings["REGISTRY_LOGINS"] = #"{"\#(host)":{"username":"u","password":"p"}}"#
            let daemon = try await world.start(settings)
            defer { daemon.stop() }
            let id = try await create(daemon, ["name": "w", "template": "remote"])
            _ = try await daemon.workspace(id, within: 60, reaches: ["online"])
            _ = try await image(daemon, reference, "the first look") { $0["observed_digest"]?.string == first }
            let (heads, asked) = (closed.requests("HEAD /v2/team/echo/manifests/1"), server.requests.count)
            _ = try await waitFor(seconds: 30, "more looks") { closed.requests("HEAD /v2/team/echo/manifests/1") >= heads + 4 ? true : nil }
            #expect(server.requests.count == asked, "one token serves every look: \(server.requests.suffix(3))")
            _ = try await daemon.call(.delete, "/workspaces/\(id)?confirm=true")
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
