internal import Model

/// A beat's fields as they may be stored: absent ones stay as they are, whole numbers fit a signed 32-bit column of other readers, and
/// spend is only ever raised to a believable amount.
struct BeatColumns {
    static let largestCount = Int(Int32.max)
    static let largestSpend: Int64 = 1_000_000_000_000

    let errorRate: Double?
    let sampleError: String?
    let activeTasks: Int?
    let uptimeSeconds: Int?
    let currentTask: String?
    let monthlySpend: Int64?
    let idleTimeoutSeconds: Int?
    /// nil when the beat says nothing about its runtime: then the idle timeout stays, too.
    let capabilities: String?
    let managesStatus: Bool?

    init(_ beat: Beat) {
        errorRate = beat.errorRate
        sampleError = beat.sampleError
        activeTasks = beat.activeTasks.map { min(max($0, 0), Self.largestCount) }
        uptimeSeconds = beat.uptimeSeconds.map { min(max($0, 0), Self.largestCount) }
        currentTask = beat.currentTask
        monthlySpend = beat.monthlySpend.flatMap { $0 > 0 ? min($0, Self.largestSpend) : nil }
        idleTimeoutSeconds = beat.overrides?.idleTimeoutSeconds
        capabilities = beat.overrides.map(WorkspaceRow.capabilitiesText)
        managesStatus = beat.overrides.map { $0.has(.statusManagement) }
    }
}

extension WorkspaceStatusMachine.Transition {
    /// The one event of a beat's move. The machine's moves for beats carry nothing else, which `BeatContractTests` holds to.
    var emission: (kind: EventKind, payload: JSONObject)? {
        for case .emit(let kind, let payload) in actions { return (kind, payload) }
        return nil
    }
}
