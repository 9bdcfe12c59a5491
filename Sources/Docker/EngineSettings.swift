/// How to reach an engine and how long to wait for it. Long-lived calls (events, followed logs, pulls) have no total.
public struct EngineSettings: Sendable, Hashable {
    /// Path of the engine's unix socket.
    public var socketPath: String
    /// From the start of an ordinary call to the end of its answer.
    public var callDeadline: Duration
    /// The same for create, start, copy and remove: a loaded engine was measured to take half a minute for one start.
    public var createDeadline: Duration
    /// For each call that only asks whether the engine is there.
    public var probeDeadline: Duration
    /// A pull is cut after this much silence, however long it has been running.
    public var pullStall: Duration
    /// `os/architecture` images are pulled and run for; nil leaves it to the engine.
    public var platform: String?

    public init(
        socketPath: String = "/var/run/docker.sock", callDeadline: Duration = .seconds(60), createDeadline: Duration = .seconds(180),
        probeDeadline: Duration = .seconds(5), pullStall: Duration = .seconds(120), platform: String? = nil
    ) {
        self.socketPath = socketPath
        self.callDeadline = callDeadline
        self.createDeadline = createDeadline
        self.probeDeadline = probeDeadline
        self.pullStall = pullStall
        self.platform = platform
    }
}
