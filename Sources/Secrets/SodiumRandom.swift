internal import CSodium
public import Model

/// Bytes from the kernel's generator, through libsodium.
public struct SodiumRandom: RandomSource {
    public init() { Sodium.ready() }

    public func bytes(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        randombytes_buf(&bytes, count)
        return bytes
    }
}

/// libsodium wants to be started once per process, before anything else is asked of it.
enum Sodium {
    private static let started: Bool = sodium_init() >= 0

    static func ready() { precondition(started, "libsodium could not start: no source of randomness") }
}
