/// The environment variables of a workspace that the platform itself sets.
public enum PlatformEnvironment {
    public static let role = "MOLECULE_AGENT_ROLE"

    /// Nothing given may carry these: they say whose container it is and where it reports.
    public static let reserved: Set<String> = [
        "WORKSPACE_ID", "WORKSPACE_CONFIG_PATH", "PLATFORM_URL", "MOLECULE_URL", "TIER", "PARENT_ID",
    ]

    /// Set where nobody gave them: found on a container they say nothing about what somebody gave.
    public static let defaulted: Set<String> = [
        "PLUGINS_DIR", "PYTHONPATH", "AWARENESS_NAMESPACE", "AWARENESS_URL", "GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL",
        "GIT_COMMITTER_EMAIL", "HERMES_DEFAULT_MODEL", role,
    ]
}
