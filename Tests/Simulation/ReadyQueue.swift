import Synchronization

/// Every piece of asynchronous work that could run now. The program's hook puts each job here instead of handing it to the runtime's
/// threads, and the scheduler runs them one at a time, in an order the seed chooses.
public final class ReadyQueue: Sendable {
    public static let shared = ReadyQueue()

    private let jobs = Mutex<[UnownedJob]>([])

    public func put(_ job: UnownedJob) { jobs.withLock { $0.append(job) } }

    var isEmpty: Bool { jobs.withLock { $0.isEmpty } }

    /// Runs one of the waiting jobs, which `stage` chooses, until it suspends or ends. False when there is none.
    func runOne(for stage: Stage) -> Bool {
        // The choice is over before the job runs: the job itself makes choices.
        let job = jobs.withLock { jobs in jobs.isEmpty ? nil : jobs.remove(at: stage.dice.roll(jobs.count)) }
        guard let job else { return false }
        job.runSynchronously(on: Self.anywhere)
        return true
    }

    /// What the runtime's own threads pass: no serial executor at all. There is no public name for it.
    private static let anywhere = unsafeBitCast((0, 0), to: UnownedSerialExecutor.self)
}
