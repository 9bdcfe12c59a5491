import Model
import Provisioner
import TestSupport
import Testing

@Suite("Tiers")
struct TierPolicyTests {
    private func spec(_ tier: Int, limits: [Int: ProvisionSettings.Limits] = ProvisionSettings.standardLimits) -> ContainerSpec {
        var row = Workspace(
            id: WorkspaceID(random: SeededRandom(seed: 5)), name: "T", runtime: "echo", condition: .init(.provisioning),
            createdAt: Timestamp(seconds: 0))
        row.tier = tier
        var spec = ContainerSpec(name: "ws-t", image: "i", labels: WorkspaceLabels(workspace: row))
        spec.network = WorkspaceNetwork(id: "n", name: "n", gateway: "10.0.0.1")
        TierPolicy.apply(tier, limits: limits, pidsLimit: 99, to: &spec)
        return spec
    }

    @Test("memory and processors", arguments: [(1, 512, 1.0), (2, 512, 1.0), (3, 2048, 2.0), (4, 4096, 4.0)])
    func limits(_ tier: Int, _ megabytes: Int64, _ processors: Double) {
        let spec = spec(tier)
        #expect(spec.memoryBytes == megabytes << 20)
        #expect(spec.nanoCPUs == Int64(processors * 1_000_000_000))
        #expect(spec.pidsLimit == 99)
    }

    @Test("limits are the operator's to set; shares are thousand-and-twenty-fourths of a processor")
    func ownLimits() {
        let spec = spec(2, limits: [2: .init(memoryMegabytes: 100, cpuShares: 1)])
        #expect(spec.memoryBytes == 104_857_600 && spec.nanoCPUs == 976_562)
    }

    @Test("tiers 1 and 2 keep only what stock entrypoints need", arguments: [1, 2])
    func confined(_ tier: Int) {
        let spec = spec(tier)
        #expect(spec.keptCapabilities == ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID", "KILL"])
        #expect(spec.noNewPrivileges && !spec.privileged && !spec.hostProcesses && !spec.hostNetwork)
        #expect(spec.readOnlyRoot == (tier == 1))
        #expect(Set(spec.temporaryFileSystems.keys) == (tier == 1 ? ["/tmp", "/run", "/var/tmp", "/home/agent"] : []))
    }

    @Test("tier 3 is privileged and keeps its network; tier 4 has the host's network and no other")
    func privileged() {
        #expect(spec(3).privileged && spec(3).hostProcesses && !spec(3).hostNetwork && spec(3).network != nil)
        #expect(spec(4).privileged && spec(4).hostNetwork && spec(4).network == nil)
        #expect(spec(4).mounts == [.bind(hostPath: "/var/run/docker.sock", at: "/var/run/docker.sock", readOnly: false)])
    }

    @Test("a sandboxed workspace has its configuration volume and nothing else")
    func sandbox() async throws {
        let world = try World()
        var request = world.request()
        request.tier = 1
        let id = try await world.provisioned(world.provisioner(), request)
        #expect(try world.onlyBox(of: id).spec.mounts == [.volume(name: "ws-\(id.prefix12)-configs", at: "/configs")])
        #expect(world.engine.volumeNames == ["ws-\(id.prefix12)-configs"])
    }

    @Test("a workspace on the host's network is dialled on loopback")
    func hostNetwork() async throws {
        var settings = ProvisionSettings()
        settings.allowedTiers = [1, 2, 3, 4]
        let world = try World(settings: settings)
        var request = world.request()
        request.tier = 4
        let id = try await world.provisioned(world.provisioner(), request)
        #expect(try world.row(id).url == "http://127.0.0.1:8000")
    }

    @Test("claude-code keeps its sessions")
    func sessions() async throws {
        let world = try World(image: StockRuntimes.images["claude-code"])
        var request = CreateWorkspace(name: "C")
        request.runtime = "claude-code"
        let id = try await world.provisioned(world.provisioner(), request)
        #expect(
            try world.onlyBox(of: id).spec.mounts.contains(.volume(name: "ws-\(id.prefix12)-claude-sessions", at: "/root/.claude/sessions"))
        )
    }
}
