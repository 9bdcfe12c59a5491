public import Model
import Synchronization

/// Makes the store and the engine agree: once at start, then on every container event, and in a slow full pass that forgets nothing.
public final class RecoveryLoop: Sendable {
    private let records: any WorkspaceReading
    private let containers: any ContainerReading
    private let recovery: any WorkspaceRecovering
    private let templates: any TemplateSource
    private let timeouts: ProvisionTimeouts
    private let clock: any TimeSource
    private let log: any LogSink
    private let interval: Duration
    private let health = Mutex<(lastTick: Timestamp?, lastError: ErrorCode?)>((nil, nil))

    public init(
        records: any WorkspaceReading, containers: any ContainerReading, recovery: any WorkspaceRecovering, templates: any TemplateSource,
        timeouts: ProvisionTimeouts, clock: any TimeSource, log: any LogSink, interval: Duration = .seconds(30)
    ) {
        self.records = records
        self.containers = containers
        self.recovery = recovery
        self.templates = templates
        self.timeouts = timeouts
        self.clock = clock
        self.log = log
        self.interval = interval
    }

    /// When a full pass last ended well.
    public var lastTick: Timestamp? { health.withLock { $0.lastTick } }
    /// Why the latest pass could not be made; nil when it could.
    public var lastError: ErrorCode? { health.withLock { $0.lastError } }

    /// Runs until the task is cancelled.
    public func run() async {}
}
