import CCurl
import Glibc
import Synchronization

/// The mailbox of the curl thread. Any thread may submit; only the thread itself touches curl handles.
final class CurlLoop: Sendable {
    enum Operation: Sendable {
        case start(Exchange)
        /// One direction may move again.
        case unpause(Exchange)
        /// The exchange was given up: take its handle out.
        case abandon(Exchange)
        case stop
        case stopWhenIdle
    }

    private struct Multi: @unchecked Sendable {
        let handle: UnsafeMutableRawPointer
    }

    private struct Mailbox {
        var operations: [Operation] = []
        /// Present until the thread ends; waking is allowed only while it is.
        var multi: Multi?
    }

    private let mailbox: Mutex<Mailbox>

    init(maximumIdleConnections: Int) {
        _ = Self.libraryIsReady
        guard let multi = curl_multi_init() else { preconditionFailure("libcurl could not be started: out of memory") }
        _ = ccurl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, maximumIdleConnections)
        mailbox = Mutex(Mailbox(multi: Multi(handle: multi)))
        let worker = CurlWorker(multi: multi, loop: self)
        startThread(worker)
    }

    func submit(_ operation: Operation) {
        let accepted = mailbox.withLock { mailbox in
            guard let multi = mailbox.multi else { return false }
            mailbox.operations.append(operation)
            // One wake-up is enough for everything that gathers until the thread looks.
            if mailbox.operations.count == 1 { curl_multi_wakeup(multi.handle) }
            return true
        }
        if !accepted, case .start(let exchange) = operation { exchange.finish(throwing: Exchange.closed) }
    }

    /// Curl thread: what was submitted since the last call.
    func takeOperations() -> [Operation] {
        mailbox.withLock { mailbox in
            defer { mailbox.operations.removeAll(keepingCapacity: true) }
            return mailbox.operations
        }
    }

    /// Curl thread: from now on nothing is accepted. Returns what came in last.
    func closeMailbox() -> [Operation] {
        mailbox.withLock { mailbox in
            mailbox.multi = nil
            defer { mailbox.operations = [] }
            return mailbox.operations
        }
    }

    private static let libraryIsReady: Bool = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK
}

private func startThread(_ worker: CurlWorker) {
    var thread = pthread_t()
    let argument = Unmanaged.passRetained(worker).toOpaque()
    let result = pthread_create(&thread, nil, curlThread, argument)
    precondition(result == 0, "the HTTP client's thread could not be started: errno \(result)")
    pthread_detach(thread)
}

private let curlThread: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
    guard let argument else { return nil }
    // TLS libraries write without MSG_NOSIGNAL; a peer that went away must be an error here, not a SIGPIPE for the process.
    var all = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_BLOCK, &all, nil)
    Unmanaged<CurlWorker>.fromOpaque(argument).takeRetainedValue().run()
    return nil
}
