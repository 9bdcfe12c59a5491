import HTTP
import HTTPClient
import Synchronization
import TestSupport
import Testing

/// A body made by a closure, called once per chunk with the chunk's number from 0.
final class ProducedSource: ByteSource {
    private let produce: @Sendable (Int) async throws -> [UInt8]?
    private let calls = Mutex(0)

    init(_ produce: @escaping @Sendable (Int) async throws -> [UInt8]?) { self.produce = produce }

    func next() async throws -> [UInt8]? {
        let call = calls.withLock { calls in
            defer { calls += 1 }
            return calls
        }
        return try await produce(call)
    }
}

/// Waits until the task is cancelled, notes it, and throws.
@Sendable func waitForCancellation(noting text: String, in notes: Notes) async throws -> [UInt8]? {
    do {
        try await Task.sleep(for: .seconds(3600))
    } catch {
        notes.add(text)
        throw error
    }
    return nil
}

/// The reason with which `work` failed; nil when it succeeded or failed with something else.
func transportReason(_ work: () async throws -> Void) async -> TransportError.Reason? {
    do {
        try await work()
    } catch let error as TransportError {
        return error.reason
    } catch {
        Issue.record("unexpected error: \(error)")
    }
    return nil
}

extension OutgoingRequest {
    init(_ method: Method, to server: ScriptedServer, _ path: String = "/", body: Body = .none, limits: ExchangeLimits = ExchangeLimits()) {
        self.init(method, server.url(path), body: body, limits: limits)
        unixSocket = server.socketPath
    }
}
