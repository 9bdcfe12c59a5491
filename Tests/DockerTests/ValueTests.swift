import Model
import Testing

@testable import Docker

@Suite("Small values of the engine")
struct ValueTests {
    @Test(
        "an image reference gives name, tag and registry",
        arguments: [
            ("bb", "bb", "latest", "docker.io"), ("berth/workspace-echo:latest", "berth/workspace-echo", "latest", "docker.io"),
            ("ghcr.io/molecule-ai/x:v1", "ghcr.io/molecule-ai/x", "v1", "ghcr.io"),
            ("127.0.0.1:5000/x", "127.0.0.1:5000/x", "latest", "127.0.0.1:5000"),
            ("localhost/x:1", "localhost/x", "1", "localhost"), ("ghcr.io/x:v1@sha256:ab", "ghcr.io/x", "sha256:ab", "ghcr.io"),
        ])
    func references(text: String, name: String, tag: String, registry: String) {
        let reference = ImageReference(text)
        #expect(reference.name == name && reference.tag == tag && reference.registry == registry)
    }

    @Test("the auth header is padded base64url of the identity")
    func credentials() throws {
        let login = RegistryLogin(user: "me", password: "t")
        #expect(login.header(for: "ghcr.io") == "eyJ1c2VybmFtZSI6Im1lIiwicGFzc3dvcmQiOiJ0Iiwic2VydmVyYWRkcmVzcyI6ImdoY3IuaW8ifQ==")
        let token = RegistryLogin(user: "<token>", password: "", identityToken: "i")
        #expect(token.header(for: "a") == Base64.encoded(Array(#"{"identitytoken":"i","serveraddress":"a"}"#.utf8), .url))
    }

    @Test("versions order by number, not by text")
    func versions() {
        #expect(APIVersion(1, 9) < APIVersion(1, 41))
        #expect(APIVersion("1.41") == APIVersion(1, 41))
        #expect(["", "1", "1.x", "1.2.3", "-"].compactMap(APIVersion.init).isEmpty)
    }

    @Test("the body of a sandboxed container says what it may do, and what it may not")
    func sandboxedBody() throws {
        var spec = try sampleSpec()
        spec.environment = [EnvironmentVariable("A", "1"), EnvironmentVariable("B", "2"), EnvironmentVariable("A", "3")]
        spec.network = WorkspaceNetwork(id: "net", name: "n", gateway: "10.0.0.1")
        spec.extraHosts = ["host.docker.internal": "10.0.0.1"]
        spec.keptCapabilities = ["CHOWN"]
        spec.memoryBytes = 1 << 20
        spec.nanoCPUs = 4_000_000_000
        spec.pidsLimit = 512
        spec.readOnlyRoot = true
        spec.temporaryFileSystems = ["/tmp": "size=64m"]
        spec.mounts = [.volume(name: "v", at: "/configs"), .bind(hostPath: "/src", at: "/workspace", readOnly: true)]
        let body = spec.engineBody(instance: try #require(StubbedEngine.instance), processors: 2)
        #expect(body["Env"] == ["B=2", "A=3"])
        #expect(body["Labels"]?[WorkspaceLabels.managed] == "true" && body["Labels"]?[WorkspaceLabels.instance] == "stub-instance")
        #expect(body["NetworkingConfig"] == ["EndpointsConfig": ["net": ["Aliases": ["ws-sample"]]]])
        let host = try #require(body["HostConfig"])
        #expect(host["NetworkMode"] == "net" && host["ExtraHosts"] == ["host.docker.internal:10.0.0.1"])
        #expect(host["PortBindings"] == ["8000/tcp": [["HostIp": "127.0.0.1", "HostPort": ""]]])
        #expect(host["Memory"] == host["MemorySwap"] && host["Memory"] == 1_048_576)
        #expect(host["NanoCpus"] == 2_000_000_000, "an engine refuses more processors than it has")
        #expect(host["PidsLimit"] == 512 && host["Init"] == true && host["ReadonlyRootfs"] == true)
        #expect(host["CapDrop"] == ["ALL"] && host["CapAdd"] == ["CHOWN"] && host["SecurityOpt"] == ["no-new-privileges"])
        #expect(host["RestartPolicy"] == ["Name": "unless-stopped"] && host["Tmpfs"] == ["/tmp": "size=64m"])
        #expect(host["LogConfig"] == ["Type": "json-file", "Config": ["max-size": "10m", "max-file": "3"]])
        #expect(host["Mounts"]?[0] == ["Type": "volume", "Source": "v", "Target": "/configs"])
        #expect(host["Mounts"]?[1] == ["Type": "bind", "Source": "/src", "Target": "/workspace", "ReadOnly": true])
    }

    @Test("on the host's network nothing is published and no network is joined")
    func hostNetworkBody() throws {
        var spec = try sampleSpec()
        spec.network = WorkspaceNetwork(id: "net", name: "n", gateway: "10.0.0.1")
        spec.hostNetwork = true
        spec.hostProcesses = true
        spec.privileged = true
        spec.noNewPrivileges = false
        let body = spec.engineBody(instance: try #require(StubbedEngine.instance), processors: nil)
        #expect(body["NetworkingConfig"] == nil && body["HostConfig"]?["PortBindings"] == nil)
        #expect(body["HostConfig"]?["NetworkMode"] == "host" && body["HostConfig"]?["PidMode"] == "host")
        #expect(body["HostConfig"]?["CapDrop"] == nil && body["HostConfig"]?["SecurityOpt"] == nil)
        #expect(body["HostConfig"]?["Memory"] == nil)
    }

    @Test("facts are read from an inspected container; what never happened is nil")
    func inspectedFacts() throws {
        let json = try JSONValue(
            parsing: """
                {"Id":"abc","Name":"/ws-1","Created":"2026-11-20T10:00:00.5Z","Image":"sha256:1","RestartCount":2,
                 "State":{"Status":"exited","ExitCode":137,"OOMKilled":true,"Error":"","StartedAt":"2026-11-20T10:00:01Z",
                  "FinishedAt":"0001-01-01T00:00:00Z"},
                 "Config":{"Image":"img:1","Hostname":"abc","Labels":null},
                 "NetworkSettings":{"Ports":null,"Networks":{"n":{"IPAddress":"10.0.0.2","GlobalIPv6Address":""}}}}
                """)
        let facts = try #require(ContainerFacts(inspected: json))
        #expect(facts.name == "ws-1" && facts.state == .exited && facts.exitCode == 137 && facts.outOfMemory && facts.restartCount == 2)
        #expect(facts.finishedAt == nil && facts.startedAt != nil && facts.addresses == ["10.0.0.2"] && facts.agentURL == nil)
    }

    @Test("on the host's network the agent is dialled at the port it exposes")
    func hostNetworkFacts() throws {
        let json = try JSONValue(
            parsing: """
                {"Id":"abc","State":{"Status":"running"},"HostConfig":{"NetworkMode":"host"},
                 "Config":{"ExposedPorts":{"9000/tcp":{},"8000/tcp":{}}}}
                """)
        #expect(ContainerFacts(inspected: json)?.agentURL == "http://127.0.0.1:8000")
    }

    @Test("a state nobody knows is unknown")
    func unknownState() {
        #expect(ContainerFacts.State(engine: "hibernating") == .unknown)
    }
}
