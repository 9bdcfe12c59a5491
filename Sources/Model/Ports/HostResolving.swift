/// Turns host names into addresses.
public protocol HostResolving: Sendable {
    /// Every address of `host` as text, in the order they should be tried. Throws, or is empty, when there is none.
    func addresses(of host: String) async throws -> [String]
}
