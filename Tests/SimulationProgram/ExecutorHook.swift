import Glibc
import Simulation

/// Takes over the runtime's global executor for this whole process. The runtime asks these hooks before its own thread pool; their names
/// and shapes are fixed by its ABI.
enum ExecutorHook {
    private typealias Original = @convention(thin) (UnownedJob) -> Void
    private typealias Hook = @convention(thin) (UnownedJob, Original) -> Void

    /// Returns false when the runtime has no such hook.
    static func install() -> Bool {
        let names = ["swift_task_enqueueGlobal_hook", "swift_task_enqueueMainExecutor_hook"]
        for name in names {
            guard let symbol = dlsym(nil, name) else { return false }
            symbol.assumingMemoryBound(to: Hook?.self).pointee = { job, _ in ReadyQueue.shared.put(job) }
        }
        return true
    }
}
