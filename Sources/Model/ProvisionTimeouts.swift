/// How long a started container may take until its agent registers. External workspaces have no such limit.
public struct ProvisionTimeouts: Sendable, Hashable {
    /// `PROVISION_TIMEOUT_SECONDS`: one limit for every runtime, when the operator set one.
    public let override: Int?

    public static let standardSeconds = 600
    /// Runtimes that are known to need longer than the standard.
    public static let builtInSeconds = ["hermes": 1800]

    public init(override: Int? = nil) { self.override = override.flatMap { $0 > 0 ? $0 : nil } }

    /// The operator's value; else the larger of the built-in one and what templates declare for `runtime`. A template can only lengthen.
    public func seconds(for runtime: String, declared: [String: Int]) -> Int {
        override ?? max(Self.builtInSeconds[runtime] ?? Self.standardSeconds, declared[runtime] ?? 0)
    }
}
