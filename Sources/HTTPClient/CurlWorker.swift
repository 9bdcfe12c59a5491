import CCurl
import HTTP

/// Runs on the curl thread and is touched by no other: owns the multi handle and every easy handle.
final class CurlWorker {
    private struct Running {
        let exchange: Exchange
        let handle: EasyHandle
    }

    private static let idleHandleLimit = 32
    /// Stall times move with every byte, so they are looked at on a beat rather than scheduled.
    private static let sweepInterval: Duration = .seconds(1)

    private let multi: UnsafeMutableRawPointer
    private let loop: CurlLoop
    private var running: [UnsafeMutableRawPointer: Running] = [:]
    private var pointers: [ObjectIdentifier: UnsafeMutableRawPointer] = [:]
    private var idle: [EasyHandle] = []
    private var nextSweep: ContinuousClock.Instant?
    private var stopWhenIdle = false
    private var stopped = false

    init(multi: UnsafeMutableRawPointer, loop: CurlLoop) {
        self.multi = multi
        self.loop = loop
    }

    func run() {
        while true {
            for operation in loop.takeOperations() { carryOut(operation) }
            if stopped || (stopWhenIdle && running.isEmpty) { break }
            var count: Int32 = 0
            curl_multi_perform(multi, &count)
            collectFinished()
            sweepWhenDue()
            curl_multi_poll(multi, nil, 0, pollMilliseconds(), nil)
        }
        shutDown()
    }

    private func carryOut(_ operation: CurlLoop.Operation) {
        switch operation {
        case .start(let exchange): start(exchange)
        case .unpause(let exchange): entry(of: exchange)?.handle.pause(exchange.pausedDirections)
        case .abandon(let exchange):
            guard let entry = entry(of: exchange) else { return }
            take(out: entry)
        case .stop: stopped = true
        case .stopWhenIdle: stopWhenIdle = true
        }
    }

    private func start(_ exchange: Exchange) {
        // Cancelled before it began.
        guard !exchange.isFinished else { return }
        guard let handle = idle.popLast() ?? EasyHandle() else {
            exchange.finish(throwing: TransportError(.other, "out of memory"))
            return
        }
        handle.configure(for: exchange)
        running[handle.pointer] = Running(exchange: exchange, handle: handle)
        pointers[ObjectIdentifier(exchange)] = handle.pointer
        curl_multi_add_handle(multi, handle.pointer)
        let now = ContinuousClock.now
        if case .due(let instant) = exchange.deadline(at: now) { nextSweep = min(nextSweep ?? now + Self.sweepInterval, instant) }
    }

    private func collectFinished() {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let pointer = message.pointee.easy_handle, let entry = running[pointer] else {
                continue
            }
            let result = ccurl_message_result(message)
            let failure = result == CURLE_OK ? nil : entry.exchange.explain(result, errorNumber: entry.handle.errorNumber)
            take(out: entry)
            entry.exchange.finish(throwing: failure)
        }
    }

    private func sweepWhenDue() {
        let now = ContinuousClock.now
        guard let due = nextSweep, due <= now else { return }
        nextSweep = running.isEmpty ? nil : now + Self.sweepInterval
        for entry in Array(running.values) {
            switch entry.exchange.deadline(at: now) {
            case .none: break
            case .due(let instant): nextSweep = min(nextSweep ?? instant, instant)
            case .passed(let error):
                take(out: entry)
                entry.exchange.finish(throwing: error)
            }
        }
    }

    private func pollMilliseconds() -> Int32 {
        if running.isEmpty { return 60_000 }
        let now = ContinuousClock.now
        let due = nextSweep ?? now + Self.sweepInterval
        nextSweep = due
        let wait = (due - now).components
        return Int32(clamping: max(0, wait.seconds * 1000 + wait.attoseconds / 1_000_000_000_000_000 + 1))
    }

    private func entry(of exchange: Exchange) -> Running? { pointers[ObjectIdentifier(exchange)].flatMap { running[$0] } }

    /// Taken out in the middle of a transfer, curl closes the connection; after its end it keeps it.
    private func take(out entry: Running) {
        curl_multi_remove_handle(multi, entry.handle.pointer)
        running[entry.handle.pointer] = nil
        pointers[ObjectIdentifier(entry.exchange)] = nil
        entry.handle.reset()
        if idle.count < Self.idleHandleLimit { idle.append(entry.handle) }
    }

    private func shutDown() {
        for operation in loop.closeMailbox() {
            if case .start(let exchange) = operation { exchange.finish(throwing: Exchange.closed) }
        }
        for entry in Array(running.values) {
            take(out: entry)
            entry.exchange.finish(throwing: Exchange.closed)
        }
        idle = []
        curl_multi_cleanup(multi)
    }
}
