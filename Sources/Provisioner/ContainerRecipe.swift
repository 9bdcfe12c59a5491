import Model

/// Everything one generation of a workspace needs, decided before the engine is asked for anything.
struct ContainerRecipe: Sendable {
    let workspace: Workspace
    let image: String
    let environment: AgentEnvironment
    var files: [ContainerFile]
    /// The host directory mounted at `/workspace`, with links resolved; nil means a volume.
    let hostDirectory: String?
    let settings: ProvisionSettings

    var name: String { workspace.id.containerName }
    /// What a former container is called while another image is tried on its workspace.
    var keptName: String { "\(name)-kept" }
    var configsVolume: String { "\(name)-configs" }
    var sessionsVolume: String { "\(name)-claude-sessions" }

    private var volumeMounts: [(name: String, path: String)] {
        var mounts = [(configsVolume, "/configs")]
        guard TierPolicy.mountsWorkspace(workspace.tier) else { return mounts }
        // The full id: clients and operators already know volumes by this name.
        if hostDirectory == nil { mounts.append(("ws-\(workspace.id)-workspace", "/workspace")) }
        if workspace.runtime == "claude-code" { mounts.append((sessionsVolume, "/root/.claude/sessions")) }
        return mounts
    }

    var volumes: [String] { volumeMounts.map(\.name) }

    func container(on network: WorkspaceNetwork) -> ContainerSpec {
        var spec = ContainerSpec(name: name, image: image, labels: WorkspaceLabels(workspace: workspace))
        spec.platform = settings.imagePlatform
        spec.environment = environment.variables
        spec.mounts = volumeMounts.map { .volume(name: $0.name, at: $0.path) }
        if let hostDirectory, TierPolicy.mountsWorkspace(workspace.tier) {
            spec.mounts.append(.bind(hostPath: hostDirectory, at: "/workspace", readOnly: workspace.workspaceAccess == .readOnly))
        }
        spec.network = network
        spec.extraHosts = ["host.docker.internal": network.gateway]
        TierPolicy.apply(workspace.tier, limits: settings.tierLimits, pidsLimit: settings.pidsLimit, to: &spec)
        return spec
    }
}
