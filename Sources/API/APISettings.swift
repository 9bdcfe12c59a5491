public import Model

/// What the operator decided about the doors.
public struct APISettings: Sendable {
    /// The bearer of people. Never empty in a running daemon.
    public var adminToken: String
    /// The token is ours, not the operator's `ADMIN_TOKEN`: only then may development mode open the people's door.
    public var adminTokenWasGenerated: Bool
    public var developmentMode: Bool
    public var peopleDoorIsLoopback: Bool
    /// Where agents outside reach this daemon (`EXTERNAL_PLATFORM_URL`); nil reads it off each request.
    public var externalPlatformURL: String?
    /// The one resolver of how long an agent may take to register.
    public var provisionTimeouts: ProvisionTimeouts
    public var version: String
    public var startedAt: Timestamp
    /// Seconds between two comments on a quiet event stream.
    public var keepAlive: Duration
    /// Largest JSON body, in bytes.
    public var bodyLimit: Int

    public init(adminToken: String, startedAt: Timestamp, version: String) {
        self.adminToken = adminToken
        self.startedAt = startedAt
        self.version = version
        adminTokenWasGenerated = false
        developmentMode = false
        peopleDoorIsLoopback = false
        provisionTimeouts = ProvisionTimeouts()
        keepAlive = .seconds(15)
        bodyLimit = 1024 * 1024
    }
}
