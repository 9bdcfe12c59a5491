import Dispatch
import Glibc
import Model

/// Names to addresses by the system's resolver. The blocking call runs on a queue of its own, never on the cooperative pool.
struct SystemResolver: HostResolving {
    private static let queue = DispatchQueue(label: "berth.resolver", attributes: .concurrent)

    func addresses(of host: String) async throws -> [String] {
        try await withCheckedThrowingContinuation { continuation in
            Self.queue.async { continuation.resume(with: Result { try Self.resolve(host) }) }
        }
    }

    private static func resolve(_ host: String) throws -> [String] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var first: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &first) == 0 else {
            throw Failure(
                .unsafeURL, "the name \(host) does not resolve", next: "Check the spelling, and that this host's DNS knows the name.")
        }
        defer { freeaddrinfo(first) }
        var found: [String] = []
        var entry = first
        while let current = entry {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            if getnameinfo(
                current.pointee.ai_addr, current.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0
            {
                found.append(String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
            }
            entry = current.pointee.ai_next
        }
        return found
    }
}
