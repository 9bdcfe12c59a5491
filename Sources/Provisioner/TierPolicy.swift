public import Model

/// What each tier may do. Tiers 1 and 2 are confined; 3 and 4 hold the host's own rights and exist only where the operator allows them
/// (`docs/wire/provision.md`, tiers).
public enum TierPolicy {
    /// Stock entrypoints start as root, take ownership of their directories and step down: this is what that needs, and no more.
    public static let keptCapabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID", "KILL"]

    /// Where a container on the host's own network is dialled: it has no port of its own to publish.
    public static let hostNetworkURL = "http://127.0.0.1:8000"

    static let temporaryFileSystems = [
        "/tmp": "rw,noexec,nosuid,nodev,size=64m", "/run": "rw,noexec,nosuid,nodev,size=16m", "/var/tmp": "rw,noexec,nosuid,nodev,size=64m",
        "/home/agent": "rw,nosuid,nodev,size=64m,mode=0700,uid=1000,gid=1000",
    ]

    /// Throws `tier_not_allowed` for a tier that does not exist or that the operator does not allow.
    public static func check(_ tier: Int, allowed: Set<Int>) throws {
        guard !(1...4).contains(tier) || !allowed.contains(tier) else { return }
        let names = allowed.sorted().map(String.init).joined(separator: ", ")
        throw Failure(
            .tierNotAllowed, (1...4).contains(tier) ? "tier \(tier) is not allowed here" : "there is no tier \(tier)",
            next: "Use one of the tiers \(names), or let the operator add it to ALLOWED_TIERS.", details: ["tier": .int(tier)])
    }

    /// Whether `/workspace` and other mounts beside `/configs` exist in this tier.
    public static func mountsWorkspace(_ tier: Int) -> Bool { tier != 1 }

    /// Limits and rights of `tier`, written into `spec`.
    public static func apply(_ tier: Int, limits: [Int: ProvisionSettings.Limits], pidsLimit: Int, to spec: inout ContainerSpec) {
        let fallback = ProvisionSettings.Limits(memoryMegabytes: 512, cpuShares: 1024)
        let limit = limits[tier] ?? ProvisionSettings.standardLimits[tier] ?? fallback
        spec.memoryBytes = Int64(limit.memoryMegabytes) * 1_048_576
        spec.nanoCPUs = Int64(limit.cpuShares) * 1_000_000_000 / 1024
        spec.pidsLimit = pidsLimit
        switch tier {
        case 3: privilege(&spec)
        case 4:
            privilege(&spec)
            spec.hostNetwork = true
            spec.network = nil
            spec.mounts.append(.bind(hostPath: "/var/run/docker.sock", at: "/var/run/docker.sock", readOnly: false))
        default:
            confine(&spec)
            if tier == 1 { seal(&spec) }
        }
    }

    private static func confine(_ spec: inout ContainerSpec) {
        spec.keptCapabilities = keptCapabilities
        spec.noNewPrivileges = true
    }

    private static func seal(_ spec: inout ContainerSpec) {
        spec.readOnlyRoot = true
        spec.temporaryFileSystems = temporaryFileSystems
    }

    private static func privilege(_ spec: inout ContainerSpec) {
        spec.privileged = true
        spec.hostProcesses = true
        spec.noNewPrivileges = false
        spec.keptCapabilities = nil
    }
}
