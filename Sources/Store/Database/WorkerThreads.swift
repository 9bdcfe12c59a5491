internal import Glibc
internal import Synchronization

/// Threads that take jobs off one queue, up to `batch` at a time. Databases block, and a blocked thread of the cooperative pool would
/// stall everybody: all their work happens here.
final class WorkerThreads<Job: Sendable>: Sendable {
    typealias Work = ([Job]) -> Void

    private let queue: JobQueue<Job>
    private let threads: Mutex<[pthread_t]>

    /// `makeWork` is called once on each thread, so that what it makes and captures is that thread's own.
    init(count: Int, batch: Int = 1, makeWork: @escaping @Sendable (_ index: Int) -> Work) {
        let queue = JobQueue<Job>(batch: batch)
        self.queue = queue
        let started = (0..<count).map { index in
            startThread {
                let work = makeWork(index)
                while let jobs = queue.take() { work(jobs) }
            }
        }
        threads = Mutex(started)
    }

    /// False when the threads were told to finish; the job is then not run.
    func submit(_ job: Job) -> Bool { queue.add(job) }

    /// Lets queued jobs finish, then ends the threads. Blocks: not for the cooperative pool.
    func finish() {
        queue.close()
        let ended = threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        for thread in ended { pthread_join(thread, nil) }
    }
}

/// A queue with one lock and one condition.
private final class JobQueue<Job: Sendable>: @unchecked Sendable {
    private let batch: Int
    private var jobs: [Job] = []
    private var closed = false
    /// Threads waiting for a job: when there is none, nobody needs to be woken.
    private var idle = 0
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let filled = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init(batch: Int) {
        self.batch = batch
        pthread_mutex_init(lock, nil)
        pthread_cond_init(filled, nil)
    }

    deinit {
        pthread_cond_destroy(filled)
        pthread_mutex_destroy(lock)
        filled.deallocate()
        lock.deallocate()
    }

    func add(_ job: Job) -> Bool {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        guard !closed else { return false }
        jobs.append(job)
        if idle > 0 { pthread_cond_signal(filled) }
        return true
    }

    func close() {
        pthread_mutex_lock(lock)
        closed = true
        pthread_cond_broadcast(filled)
        pthread_mutex_unlock(lock)
    }

    /// Waits for jobs; nil when the queue is closed and empty.
    func take() -> [Job]? {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        while jobs.isEmpty {
            if closed { return nil }
            idle += 1
            pthread_cond_wait(filled, lock)
            idle -= 1
        }
        let taken = Array(jobs.prefix(batch))
        jobs.removeFirst(taken.count)
        return taken
    }
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// Starts a joinable thread.
private func startThread(_ run: @escaping @Sendable () -> Void) -> pthread_t {
    let body = Unmanaged.passRetained(ThreadBody(run))
    var thread = pthread_t()
    let status = pthread_create(
        &thread, nil,
        { argument in
            guard let argument else { return nil }
            Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run()
            return nil
        }, body.toOpaque())
    precondition(status == 0, "no thread could be started for the database")
    return thread
}

/// Runs blocking work on a thread of its own.
func onOwnThread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        pthread_detach(startThread { continuation.resume(with: Result { try work() }) })
    }
}
