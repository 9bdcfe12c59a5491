/// Every environment variable `berthd` reads. `docs/operations.md` says what each does; a test holds the two together.
enum EnvironmentName: String, CaseIterable {
    // Where it listens, and as whom
    case port = "PORT"
    case bindAddress = "BIND_ADDRESS"
    case agentListen = "AGENT_LISTEN"
    case platformURL = "PLATFORM_URL"
    case externalPlatformURL = "EXTERNAL_PLATFORM_URL"
    case adminToken = "ADMIN_TOKEN"
    case environmentMode = "MOLECULE_ENV"
    case deployMode = "MOLECULE_DEPLOY_MODE"
    case organisationID = "MOLECULE_ORG_ID"

    // State
    case stateDirectory = "STATE_DIR"
    case databaseURL = "DATABASE_URL"
    case instanceID = "MOLECULE_INSTANCE_ID"
    case secretsKey = "SECRETS_ENCRYPTION_KEY"

    // Engine
    case dockerHost = "DOCKER_HOST"
    case dockerNetwork = "DOCKER_NETWORK"
    case engineTimeout = "ENGINE_TIMEOUT_SECONDS"
    case pullStall = "IMAGE_PULL_STALL_SECONDS"
    case imagePlatform = "MOLECULE_IMAGE_PLATFORM"
    case ghcrUser = "GHCR_USER"
    case ghcrToken = "GHCR_TOKEN"

    // Workspaces
    case templates = "CONFIGS_DIR"
    case defaultTier = "DEFAULT_TIER"
    case allowedTiers = "ALLOWED_TIERS"
    case tier1Memory = "TIER1_MEMORY_MB"
    case tier2Memory = "TIER2_MEMORY_MB"
    case tier3Memory = "TIER3_MEMORY_MB"
    case tier4Memory = "TIER4_MEMORY_MB"
    case tier1CPU = "TIER1_CPU_SHARES"
    case tier2CPU = "TIER2_CPU_SHARES"
    case tier3CPU = "TIER3_CPU_SHARES"
    case tier4CPU = "TIER4_CPU_SHARES"
    case pidsLimit = "WORKSPACE_PIDS_LIMIT"
    case workspaceRoots = "WORKSPACE_DIR_ROOTS"
    case concurrentProvisions = "MAX_CONCURRENT_PROVISIONS"
    case provisionTimeout = "PROVISION_TIMEOUT_SECONDS"
    case recoveryInterval = "RECOVERY_INTERVAL_SECONDS"
    case stopGrace = "STOP_GRACE_SECONDS"
    case livenessStale = "LIVENESS_STALE_AFTER"
    case remoteLivenessStale = "REMOTE_LIVENESS_STALE_AFTER"
    case restartBudget = "RESTART_BUDGET"
    case restartWindow = "RESTART_WINDOW_SECONDS"
    case restartBackoffMax = "RESTART_BACKOFF_MAX_SECONDS"

    // Orphans
    case orphanMode = "ORPHAN_SWEEP_MODE"
    case orphanInterval = "ORPHAN_SWEEP_INTERVAL_SECONDS"
    case orphanGrace = "ORPHAN_GRACE_SECONDS"
    case orphanMost = "ORPHAN_MAX_REAP_PER_CYCLE"
    case orphanHold = "ORPHAN_WIPED_HOLD_SECONDS"
    case volumeRetention = "VOLUME_RETENTION_HOURS"

    // Proxy and process
    case idleTimeout = "A2A_IDLE_TIMEOUT_SECONDS"
    case logLevel = "LOG_LEVEL"
    case shutdownGrace = "SHUTDOWN_GRACE_SECONDS"
}
